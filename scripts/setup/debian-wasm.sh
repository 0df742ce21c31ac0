#!/usr/bin/env bash
# Gives Debian a Rust compiler for WebAssembly where rustup has none to offer. Run as root.
# Debian's rustc-web comes without the standard library for wasm32: it is compiled once, from Debian's
# source package, and laid where rustc looks for it.
set -euo pipefail
target=wasm32-unknown-unknown
rustc=/usr/bin/rustc
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y -qq --no-install-recommends "$@"; }

apt-get update -qq
install rustc-web cargo-web rust-web-src rust-web-llvm
# rust-lld is a link to the linker of the same LLVM, which is a package of its own.
rust-lld -flavor wasm --version >/dev/null 2>&1 ||
  install "lld-$("$rustc" -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/src"
: > "$work/src/lib.rs"
cat > "$work/Cargo.toml" <<'TOML'
[package]
name = "only-std"
version = "0.0.0"
edition = "2021"
[profile.release]
codegen-units = 1
[workspace]
TOML
cd "$work"
env -u RUSTFLAGS RUSTC=$rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$work/target" \
  /usr/bin/cargo build -q --release -Zbuild-std=std,panic_abort --target $target

library=$("$rustc" --print sysroot)/lib/rustlib/$target/lib
mkdir -p "$library"
rm -f "$library"/*.rlib
find "target/$target/release/deps" -name '*.rlib' ! -name 'libonly_std-*' -exec cp {} "$library/" \;
