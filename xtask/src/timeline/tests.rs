//! Timelines of real traces.
