#![forbid(unsafe_code)]
//! What the inner variable is: loss, gradient, per-sample factors, R-operator, prediction.
