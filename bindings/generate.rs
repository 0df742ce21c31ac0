// What the build scripts of both bindings share: the classes, made from the table.

/// Writes `classes.rs` of a binding into cargo's output folder. Needs Node and the npm packages of this clone.
fn generate(binding: &str) {
    let sources = ["../generate.mjs", "../../ts/backend/binding.ts"];
    for path in sources {
        println!("cargo::rerun-if-changed={path}");
    }
    let node = std::env::var("NODE").unwrap_or_else(|_| "node".to_owned());
    let made = std::process::Command::new(&node).args([sources[0], binding]).output();
    let made = made.unwrap_or_else(|error| panic!("{node} does not start: {error}"));
    let problem = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "bindings/generate.mjs failed; is \"npm ci\" done?\n{problem}");
    let folder = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(format!("{folder}/classes.rs"), made.stdout).expect("OUT_DIR can be written");
}
