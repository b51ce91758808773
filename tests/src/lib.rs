//! The rules of the house that the compiler cannot hold stand in `tests/`; the whole system's tests stand in `system/` and
//! are built with the binary's crate.
