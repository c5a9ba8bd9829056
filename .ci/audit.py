"""Known vulnerabilities of the pinned packages, where the registry tells; else a line that says that it does not."""

import json
import subprocess
import sys

FLAGS = ["--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "5"]
COMMAND = ["pip_audit", "--requirement", "constraints.txt", *FLAGS]


def main() -> int:
    """0: nothing is known, or nobody can be asked; 1: a vulnerability is known."""
    try:
        done = subprocess.run([sys.executable, "-m", *COMMAND], capture_output=True, timeout=120)
        packages = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        print("pip-audit: skipped, the registry cannot be asked from here")
        return 0
    asked = [package for package in packages if "skip_reason" not in package]
    known = [(package, found["id"]) for package in asked for found in package["vulns"]]
    for package, identifier in known:
        print(f"{package['name']} {package['version']}: {identifier}")
    if not asked:
        print("pip-audit: skipped, the registry tells nothing about vulnerabilities")
    else:
        print(f"pip-audit: {len(asked)} of {len(packages)} packages could be asked about, {len(known)} vulnerabilities")
    return 1 if known else 0


if __name__ == "__main__":
    sys.exit(main())
