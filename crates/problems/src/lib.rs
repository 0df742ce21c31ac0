#![forbid(unsafe_code)]
//! Inner and outer objectives over a model and data: one trait of oracles, one file each.
