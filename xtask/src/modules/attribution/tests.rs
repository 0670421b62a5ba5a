use super::*;

fn errors<'a>(names: &[&'a str], output: &str) -> BTreeMap<&'a str, ModuleErrors> {
    let mut attribution = Attribution::new(Path::new("/w/k"), names);
    output.lines().for_each(|line| attribution.line(line));
    attribution.errors()
}

fn refused(lines: &[&str]) -> ModuleErrors {
    ModuleErrors {
        fault: Fault::Lesson,
        lines: lines.iter().map(ToString::to_string).collect(),
        left_out: 0,
    }
}

#[test]
fn an_error_without_text_is_the_sources_fault() {
    let output = "\
/w/k/lessons/a/c/a.c:2:2: error:
make[3]: *** [/s/Makefile.build:1: /w/k/lessons/a/c/a.o] Error 1";
    assert_eq!(errors(&["a"], output)["a"].fault, Fault::Lesson);
}

#[test]
fn a_compiler_that_exceeds_a_limit_is_the_sources_fault() {
    for (output, expected) in [
        (
            "make[3]: *** [/s/Makefile.build:1: /w/k/lessons/a/a.o] Error 152",
            "error: the compiler took more than 60 s of CPU time",
        ),
        (
            "LLVM ERROR: out of memory\n\
             make[3]: *** [/s/Makefile.build:1: /w/k/lessons/a/a.o] Error 134",
            "error: the compiler needs more than 2048 MiB of memory",
        ),
    ] {
        let errors = errors(&["a"], output);
        assert_eq!(errors["a"].fault, Fault::Lesson, "{output}");
        assert!(errors["a"].lines.contains(&expected.to_owned()), "{output}");
    }
    // The host's kernel killed it.
    let killed = "make[3]: *** [/s/Makefile.build:1: /w/k/lessons/a/a.o] Error 137";
    assert_eq!(errors(&["a"], killed)["a"].fault, Fault::Host);
}

/// The output of kbuild 6.12 and clang 19, and of rustc 1.85.
#[test]
fn a_compilers_errors_are_attributed_by_the_target_that_failed() {
    let output = "\
warning: the compiler differs from the one used to build the kernel
  CC [M]  /w/k/lessons/good/c/good.o
/w/k/lessons/good/c/good.c:1:2: warning: unused
  CC [M]  /w/k/lessons/bad/c/bad.o
/w/k/lessons/bad/c/bad.c:2:130: error: use of undeclared identifier 'nothing'
    2 | int x = nothing;
      |         ^
1 error generated.
make[3]: *** [/s/scripts/Makefile.build:234: /w/k/lessons/bad/c/bad.o] Error 1
  RUSTC [M] /w/k/races/rusty/rusty.o
error[E0425]: cannot find value `x` in this scope
 --> races/rusty/rusty.rs:9:5
   |
   = note: a note
make[3]: *** [/s/scripts/Makefile.build:300: /w/k/races/rusty/rusty.o] Error 1
make[3]: *** No rule to make target '/w/k/lessons/none/c/none.o', needed by '/w/k/none.o'.
  LD [M]  /w/k/good.o
make[3]: Target '/w/k/' not remade because of errors.
make[2]: *** [/s/Makefile:2008: /w/k] Error 2
make: *** [Makefile:236: __sub-make] Error 2";
    let errors = errors(&["good", "bad", "rusty", "none"], output);
    let bad = [
        "modules/lessons/bad/c/bad.c:2:130: error: use of undeclared identifier 'nothing'",
        "    2 | int x = nothing;",
        "      |         ^",
        "1 error generated.",
    ];
    let rusty = [
        "error[E0425]: cannot find value `x` in this scope",
        " --> modules/races/rusty/rusty.rs:9:5",
        "   |",
        "   = note: a note",
    ];
    let none = ["modules/lessons/none/c/none: error: the source file does not exist"];
    let wanted = [
        ("bad", refused(&bad)),
        ("rusty", refused(&rusty)),
        ("none", refused(&none)),
    ];
    assert_eq!(errors, BTreeMap::from(wanted));
}

#[test]
fn errors_of_modpost_are_attributed_by_the_module_that_they_name() {
    let output = "\
  MODPOST /w/k/Module.symvers
WARNING: modpost: missing MODULE_DESCRIPTION() in /w/k/fine.o
ERROR: modpost: missing MODULE_LICENSE() in /w/k/nolic.o
ERROR: modpost: \"fine\" [/w/k/undefined.ko] undefined!
ERROR: modpost: GPL-incompatible module closed.ko uses GPL-only symbol 'fine'
ERROR: modpost: module space uses symbol fine from namespace X, but does not import it.
ERROR: modpost: /w/k/twice: 'fine' exported twice. Previous export was in vmlinux
make[3]: *** [/s/scripts/Makefile.modpost:145: /w/k/Module.symvers] Error 1";
    let names = ["fine", "nolic", "undefined", "closed", "space", "twice"];
    let errors = errors(&names, output);
    let blamed: Vec<&str> = errors.keys().copied().collect();
    assert_eq!(blamed, ["closed", "nolic", "space", "twice", "undefined"]);
    assert_eq!(
        errors["undefined"],
        refused(&["ERROR: modpost: \"fine\" [modules/undefined.ko] undefined!"])
    );
}

#[test]
fn a_compiler_that_crashed_or_could_not_write_is_the_hosts_fault() {
    for (line, end) in [
        ("LLVM ERROR: IO failure on output stream", "Error 1"),
        (
            "fatal error: error in backend: No space left on device",
            "Error 1",
        ),
        ("error: internal compiler error: x", "Error 101"),
        ("x.c:1:1: error: x", "Segmentation fault (core dumped)"),
        ("Bus error", "Error 135"),
        ("fixdep: not all data was written to the output", "Error 2"),
        ("clang: error: unable to make temporary file", "Error 1"),
        ("/bin/sh: 1: clang: not found", "Error 127"),
        ("  CC [M]  /w/k/x.mod.o", "Error 1"),
    ] {
        let output = format!("{line}\nmake[3]: *** [/s/m:1: /w/k/lessons/x/c/x.o] {end}");
        let errors = errors(&["x"], &output);
        assert_eq!(errors["x"].fault, Fault::Host, "{line} {end}");
        assert!(!errors["x"].lines.is_empty(), "{line} {end}");
    }
    assert!(errors(&["x"], "make: *** [Makefile:236: __sub-make] Error 2").is_empty());
}

#[test]
fn a_long_output_is_cut() {
    let output = "x.c:1:1: error: x\n".repeat(10_000) + "make[3]: *** [m:1: /w/k/x.o] Error 1";
    let errors = errors(&["x"], &output);
    assert_eq!(
        (errors["x"].lines.len(), errors["x"].left_out),
        (100, 9_900)
    );
}

#[test]
fn everything_in_the_folder_of_a_project_is_the_projects() {
    let of = |output: &str| {
        let (work, sources) = (Path::new("/w/k"), Path::new("/w/k/src"));
        let mut attribution = Attribution::of_project(work, sources, "x", "./x");
        output.lines().for_each(|line| attribution.line(line));
        attribution.errors().remove("x")
    };
    let errors = |lines: &[&str]| ModuleErrors {
        fault: Fault::Lesson,
        lines: lines.iter().map(|&line| line.to_owned()).collect(),
        left_out: 0,
    };
    let compiler = "\
/w/k/src/a.c:4:9: error: use of undeclared identifier
make[4]: *** [/s/scripts/Makefile.build:234: /w/k/src/a.o] Error 1
make[3]: *** [/s/Makefile:1947: /w/k] Error 2
make[2]: *** [/s/Makefile:224: __sub-make] Error 2
";
    let expected = errors(&["./x/a.c:4:9: error: use of undeclared identifier"]);
    assert_eq!(of(compiler), Some(expected));
    let modpost = "\
ERROR: modpost: \"nowhere\" [/w/k/x.ko] undefined!
make[3]: *** [/s/scripts/Makefile.modpost:145: /w/k/Module.symvers] Error 1
";
    let expected = errors(&["ERROR: modpost: \"nowhere\" [./x/x.ko] undefined!"]);
    assert_eq!(of(modpost), Some(expected));
    // This one names no file, but the module without an ending.
    let twice = "\
ERROR: modpost: /w/k/x: 'bus_register' exported twice. Previous export was in vmlinux
make[3]: *** [/s/scripts/Makefile.modpost:145: /w/k/Module.symvers] Error 1
";
    let expected = errors(&[
        "ERROR: modpost: ./x/x: 'bus_register' exported twice. Previous export was in vmlinux",
    ]);
    assert_eq!(of(twice), Some(expected));
    let rust = "\
error[E0425]: cannot find value
 --> a.rs:9:5
::: /kernel/rust/kernel/lib.rs:1:1
make[4]: *** [/s/scripts/Makefile.build:234: /w/k/src/a.o] Error 1
";
    let expected = errors(&[
        "error[E0425]: cannot find value",
        " --> ./x/a.rs:9:5",
        "::: /kernel/rust/kernel/lib.rs:1:1",
    ]);
    assert_eq!(of(rust), Some(expected));
    let kbuild = "/w/k/Kbuild:2: *** missing separator.  Stop.\n";
    let expected = errors(&["error: ./x/Kbuild:2: *** missing separator.  Stop."]);
    assert_eq!(of(kbuild), Some(expected));
    assert_eq!(
        of("make[2]: *** [/s/Makefile:224: __sub-make] Error 2\n"),
        None
    );
}
