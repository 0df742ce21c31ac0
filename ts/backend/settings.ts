// Made from Rust's types by crates/engine/src/types.rs.

/**
 * Stable codes of errors.
 */
export type ErrorCode = "ERR_SHAPE" | "ERR_DTYPE" | "ERR_RANGE" | "ERR_NOT_FINITE" | "ERR_DATA" | "ERR_NUMERIC" | "ERR_DIVERGED" | "ERR_MEMORY" | "ERR_BACKEND" | "ERR_CHECKPOINT" | "ERR_DISPOSED" | "ERR_INTERNAL";

/**
 * Settings of an optimiser.
 */
export type OptimizerRule = { "kind": "sgd", } | { "kind": "momentum", 
/**
 * μ, from 0 and below 1.
 */
momentum: number, } | { "kind": "adam", 
/**
 * Share of the old first moment, from 0 and below 1.
 */
beta1: number, 
/**
 * Share of the old second moment, from 0 and below 1.
 */
beta2: number, 
/**
 * Added to the root of the second moment, at least 0.
 */
epsilon: number, 
/**
 * Keeps one second moment, the mean square, for the whole vector: Adam that keeps the gradient's direction.
 */
shared: boolean, };
