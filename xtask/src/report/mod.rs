//! What a run of lessons came to, for people.
