//! Binding of the engine.
