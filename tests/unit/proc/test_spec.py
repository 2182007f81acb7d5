"""The plan of a child: limits, environment, names, file rules."""

import marshal
import resource
from pathlib import Path

from polycast.proc.policy import SandboxPolicy
from polycast.proc.sandbox import confinement, file_rules
from polycast.proc.spec import ChildSpec, Limits, environment, plan, python_child, rlimits


def test_limits_become_rlimits() -> None:
    limits = Limits(memory_bytes=1 << 30, cpu_s=1.2, file_bytes=5, processes=10, open_files=7)
    found = {
        name: (soft, hard) for name, soft, hard in rlimits(limits, sandbox=SandboxPolicy(), own_count=True)
    }
    assert found == {
        resource.RLIMIT_CORE: (1, 1),
        resource.RLIMIT_DATA: (1 << 30, 1 << 30),
        resource.RLIMIT_AS: (4 << 30, 4 << 30),
        resource.RLIMIT_STACK: (4 << 20, 4 << 20),
        resource.RLIMIT_CPU: (2, 3),  # whole seconds, rounded up; SIGXCPU, then SIGKILL
        resource.RLIMIT_FSIZE: (5, 5),
        resource.RLIMIT_NOFILE: (7, 7),
        resource.RLIMIT_NPROC: (12, 12),  # shim and init count too
    }


def test_processes_are_not_limited_where_the_count_is_shared() -> None:
    names = {name for name, _, _ in rlimits(Limits(), sandbox=SandboxPolicy(), own_count=False)}
    assert resource.RLIMIT_NPROC not in names


def test_no_limits() -> None:
    limits = Limits(memory_bytes=None, processes=None, open_files=None)
    assert rlimits(limits, sandbox=None, own_count=False) == [(resource.RLIMIT_CORE, 1, 1)]


def test_the_environment_is_ours_alone() -> None:
    spec = ChildSpec(argv=["x"], env={"LANG": "C", "A": "b"})
    assert environment(spec) == {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C", "MALLOC_ARENA_MAX": "4", "A": "b",
    }  # fmt: skip
    sandboxed = ChildSpec(argv=["x"], sandbox=SandboxPolicy(write_paths=[Path("/w")]))
    assert environment(sandboxed)["TMPDIR"] == environment(sandboxed)["HOME"] == "/w"


def test_names_for_messages() -> None:
    assert ChildSpec(argv=["/opt/ffmpeg", "-m", "x"]).program == "ffmpeg"
    assert (
        ChildSpec(argv=python_child("polycast.media.children.probe", ["-"])).program
        == "polycast.media.children.probe"
    )


def test_the_plan_can_be_marshalled() -> None:
    policy = SandboxPolicy(read_paths=[Path("/s")], write_paths=[Path("/w")])
    spec = ChildSpec(argv=["/bin/x", "a"], sandbox=policy, cpus=frozenset({1, 0}))
    made = plan(
        spec, argv=["/bin/x", "a"], sandbox=confinement(policy, ["/bin/x"], "user"), status_fd=5, fork=True
    )
    assert marshal.loads(marshal.dumps(made)) == made
    assert (made["cwd"], made["cpus"]) == ("/w", [0, 1])


def test_write_rights_are_given_to_write_paths_only() -> None:
    policy = SandboxPolicy(read_paths=[Path("/s")], write_paths=[Path("/w")])
    write_file, make_symlink, make_socket = 1 << 1, 1 << 12, 1 << 9
    rules = file_rules(policy, ["/bin/x"])
    assert {path for path, rights in rules if rights & write_file} == {"/w", "/dev/null"}
    assert not any(rights & (make_symlink | make_socket) for _, rights in rules)
    assert not any(path in {"/", "/etc", "/home", "/root", "/tmp", "/var"} for path, _ in rules)


def test_names_are_resolved_only_with_a_network() -> None:
    assert "/etc/resolv.conf" not in dict(file_rules(SandboxPolicy(), ["/bin/x"]))
    assert "/etc/resolv.conf" in dict(file_rules(SandboxPolicy(network=True), ["/bin/x"]))
