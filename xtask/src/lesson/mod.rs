//! Lessons: a README's console blocks, played in a guest and compared.
