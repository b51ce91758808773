//! The suite of [`ReadModels`].
