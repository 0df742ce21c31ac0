//! Makes the classes from the table, and tells the linker that Node provides the symbols of Node-API.

include!("../generate.rs");

fn main() {
    generate("node");
    napi_build::setup();
}
