//! Makes the classes from the table.

include!("../generate.rs");

fn main() {
    generate("wasm");
}
