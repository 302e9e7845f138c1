//! What the program `hearth-wgpu` does besides calling the commands: it names the graphics adapters, keeps the choices of
//! kernels between runs, and starts without a desktop.

pub mod adapters;
pub mod headless;
pub mod tuning;
