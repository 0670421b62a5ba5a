use std::process::Command;

use super::*;

/// Two sections of code, and an inlined function.
const SOURCE: &str = r#"
static inline __attribute__((always_inline)) int inner(volatile int *p)
{
	return *p;
}
__attribute__((noinline)) int outer(volatile int *p)
{
	return 1 + inner(p);
}
__attribute__((section(".init.text"), noinline)) int first(volatile int *p)
{
	return 2 + *p;
}
"#;

fn compiled(source: &str) -> Result<ObjectFile> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("some.c"), source)?;
    let status = Command::new("cc")
        .current_dir(folder.path())
        .args(["-g", "-O2", "-c", "some.c"])
        .status()
        .context("cannot run cc")?;
    anyhow::ensure!(status.success(), "cc failed");
    ObjectFile::load(&folder.path().join("some.o"))
}

fn described_frames(object: &ObjectFile, name: &str) -> Vec<String> {
    let address = object.address(name, 0).expect("a function of the file");
    let describe = |frame: Frame| {
        let function = frame.function.unwrap_or_default();
        format!("{function} {}:{}", frame.file, frame.line)
    };
    object.frames(address).into_iter().map(describe).collect()
}

#[test]
fn a_module_has_lines_in_each_section() -> Result<()> {
    let object = compiled(SOURCE)?;
    let outer = described_frames(&object, "outer");
    assert!(outer[0].contains(" some.c:"), "{outer:?}");
    let first = described_frames(&object, "first");
    assert_eq!(first.len(), 1);
    assert!(
        ["first some.c:11", "first some.c:12", "first some.c:13"].contains(&&*first[0]),
        "{first:?}"
    );
    let address = object.address("outer", 0).context("outer")?;
    let mut inlined = (address..address + 8).map(|address| object.frames(address));
    let inlined = inlined.rfind(|frames| frames.len() == 2);
    let inlined = inlined.context("nothing is inlined")?;
    assert_eq!(inlined[0].function.as_deref(), Some("inner"));
    assert_eq!((inlined[0].line, inlined[1].line), (4, 8));
    assert_eq!(inlined[1].function.as_deref(), Some("outer"));
    assert_eq!(object.address(".init.text", 0), object.address("first", 0));
    assert_eq!(object.address("nothing", 0), None);
    assert!(object.frames(1).is_empty());
    Ok(())
}

#[test]
fn names_are_those_of_the_source() {
    for (name, short) in [
        ("count", "count"),
        ("_RNvCs1234_7example4draw", "draw"),
        ("<example::Test as kernel::Module>::init", "init"),
        ("kernel_ext::kthread::thread_main::<(), i32>", "thread_main"),
        ("example::{impl#0}::init::{closure#0}", "{closure#0}"),
    ] {
        assert_eq!(short_name(name), short, "{name}");
    }
}

#[test]
fn a_symbol_names_the_function_at_an_address() -> Result<()> {
    let object = compiled(SOURCE)?;
    let first = object.address("first", 0).context("first")?;
    assert_eq!(object.function_at(first + 1), Some("first"));
    assert_eq!(object.function_at(first - 1), None);
    Ok(())
}

#[test]
fn the_size_selects_one_of_two_functions_with_one_name() {
    let function = |address, size| FunctionSymbol { address, size };
    let mut object = compiled(SOURCE).expect("cc");
    let two = vec![function(100, 0x20), function(200, 0x40)];
    object.functions.insert("two".to_owned(), two);
    assert_eq!(object.address("two", 0x21), Some(100));
    assert_eq!(object.address("two", 0x40), Some(200));
}

#[test]
fn a_program_has_lines() -> Result<()> {
    let object = ObjectFile::load(Path::new("/proc/self/exe"))?;
    let mangled = object
        .functions
        .keys()
        .find(|name| demangled(name).ends_with("object_file::demangled"))
        .context("this program has no such function")?;
    let frames = described_frames(&object, mangled);
    let last = frames.last().context("it has no lines")?;
    assert!(last.contains("src/symbols/object_file.rs:"), "{frames:?}");
    Ok(())
}

#[test]
fn another_file_than_elf_is_an_error() {
    for bytes in [&b""[..], b"\x7fELF", &[0x7f; 4096]] {
        assert!(ObjectFile::parse(bytes).is_err());
    }
}

#[test]
fn a_return_address_follows_a_call() -> Result<()> {
    let mut object = compiled(SOURCE)?;
    object.text = vec![0x90; 2 * 4096];
    object.text[1] = CALL;
    object.text[4097] = CALL;
    object.text[8000] = CALL;
    let offsets = |address| object.after_calls(address).collect::<Vec<u64>>();
    assert_eq!(offsets(6), [6, 4102]);
    assert_eq!(offsets(0xffff_ffff_a000_3006), [6, 4102]);
    assert_eq!(offsets(0xffff_ffff_a000_3f45), [8005]);
    for address in [0, 5, 7, 100, u64::MAX] {
        assert!(offsets(address).is_empty());
    }
    assert_eq!(object.address_of_code(6), FIRST_BASE + 6);
    Ok(())
}

#[test]
fn a_call_of_init_code_is_found_by_its_place_in_a_page() -> Result<()> {
    let init = "__attribute__((section(\".init.text\"))) int begin(volatile int *p)\n{\n\
        \treturn outer(p) + 1;\n}\n";
    let object = compiled(&format!("{SOURCE}{init}"))?;
    let call = object
        .init
        .windows(CALL_LENGTH)
        .position(|code| code == [CALL, 0, 0, 0, 0]);
    let behind = u64::try_from(call.context("no call")? + CALL_LENGTH)?;
    let frames = object.init_frames(0xffff_ffff_a001_c000 + behind);
    let functions: Vec<_> = frames
        .iter()
        .map(|frame| frame.function.as_deref())
        .collect();
    assert_eq!(functions, [Some("begin")]);
    assert_eq!(object.init_frames(0xffff_ffff_a001_c001 + behind), []);
    // Two calls have this place in their pages.
    let mut twice = object;
    twice.init.resize(2 * 4096, 0x90);
    twice.init[4096 + usize::try_from(behind)? - CALL_LENGTH] = CALL;
    assert_eq!(twice.init_frames(0xffff_ffff_a001_c000 + behind), []);
    Ok(())
}
