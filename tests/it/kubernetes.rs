//! `deploy/kubernetes`: what kustomize makes of it fits Kubernetes, the program and its documents.

mod commands;
mod compose;
mod deletion;
mod monitoring;
mod network;
mod objects;
mod pod;
mod program;
mod rendered;
mod restore;
