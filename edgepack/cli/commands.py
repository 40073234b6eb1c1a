"""The commands by name: which module holds each, and its one line of help. Imported at every start."""

from __future__ import annotations

COMMANDS = {
    "build": "convert, compile, prove and bundle, for every target",
    "check": "what will hurt about the model on each target, before it is converted",
    "plan": "what a build would do and why, without doing it",
    "parity": "hold the converted models to the trained one, and say what is wrong where they differ",
    "sign": "vouch for the bundles with an Ed25519 key, or show who did",
    "deploy": "send a bundle to a box, prove it there, switch to it",
    "rollback": "go back to the release before",
    "fleet": "the boxes of fleet.yaml: list those that are meant, show one with where each value stands",
    "status": "what runs on the boxes",
    "enrol": "the keys that a box believes: it takes only what one of them signed",
    "licence": "who may run the app, on which box, until when: issue, send, show",
    "key": "the key of an encrypted model: new, show, send, wrap",
    "logs": "what the program on a box said",
    "debug": "gdb on the program that runs on a box, or on a core it left, with the symbols kept here",
    "ask": "send images to the running release and show its answers",
    "sandbox": "a throwaway box on this machine: up, down, list",
    "targets": "the chips and boards that are known, with sources",
    "recipes": "the conversions that are known, and their state here",
    "sysroot": "headers and libraries of a Debian for a vendor's compiler, pinned, without root",
    "export": "files for model servers, Compose, Kubernetes; or a release in one file, for a USB stick",
    "apply": "manifests to a Kubernetes cluster, waited for, and taken back where their rollout stalls",
    "image": "container images of the bundles, for several architectures at once, without docker or root",
    "clean": "remove what builds left behind in this project",
    "schema": "JSON Schema of edgepack.yaml and fleet.yaml, for editors",
    "completion": "a completion script for bash, zsh, fish or tcsh",
}
