"""The Debian packages on a clean Debian 12 with systemd: `make packages-test` (root; not in `make test`).

A minimal Debian, made once by mmdebstrap(1) from the machine's own apt sources, is booted with its systemd in
namespaces of this kernel: seconds, and everything but the kernel is as on a machine of its own. pulse runs in
planning mode where this kernel has no IPVS.
"""
