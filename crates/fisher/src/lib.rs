#![forbid(unsafe_code)]
//! Inverse-Fisher representations: one trait, one file each.
