// Made from Rust's types by crates/engine/src/types.rs.

/**
 * Stable codes of errors.
 */
export type ErrorCode = "ERR_SHAPE" | "ERR_DTYPE" | "ERR_RANGE" | "ERR_NOT_FINITE" | "ERR_DATA" | "ERR_NUMERIC" | "ERR_DIVERGED" | "ERR_MEMORY" | "ERR_BACKEND" | "ERR_CHECKPOINT" | "ERR_DISPOSED" | "ERR_INTERNAL";

/**
 * Settings of an [`Optimizer`].
 */
export type OptimizerRule = { "kind": "sgd", } | { "kind": "momentum", momentum: number, } | { "kind": "adam", beta1: number, beta2: number, epsilon: number, shared: boolean, };
