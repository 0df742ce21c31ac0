#![forbid(unsafe_code)]
//! What both bindings expose: handles over f32 and f64, steps, sampler, optimisers, the Fisher's queue, errors.
