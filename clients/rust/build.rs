//! Generates the messages from the repository's .proto files.

use std::{env, path::PathBuf};

fn main() {
    let protos = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../Proto");
    let inputs = [
        "feedback/v1/feedback.proto",
        "feedback/v1/session.proto",
        "feedback/v1/value.proto",
        "grpc/health/v1/health.proto",
        "google/rpc/error_details.proto",
        "google/rpc/status.proto",
    ]
    .map(|name| protos.join(name));
    for input in &inputs {
        println!("cargo:rerun-if-changed={}", input.display());
    }
    protobuf_codegen_pure::Codegen::new()
        .customize(protobuf_codegen_pure::Customize {
            gen_mod_rs: Some(true),
            ..Default::default()
        })
        .out_dir(env::var("OUT_DIR").unwrap())
        // The well-known types come with Debian's libprotobuf-dev.
        .includes(&[protos, PathBuf::from("/usr/include")])
        .inputs(&inputs)
        .run()
        .expect("the .proto files can be compiled");
}
