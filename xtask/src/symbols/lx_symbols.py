# gdb's command lx-symbols, and the breakpoints at which it loads the symbols of a module that the guest
# loads. The scripts of the kernel (scripts/gdb) need a kernel that describes its types.
#
# kmodlab finds the sections of modules, and reads the guest's memory through gdb for it. PROGRAM is its
# command line.
import subprocess

import gdb


class Symbols:
    """The symbols of the modules in the guest."""

    def __init__(self):
        # The sections of each file that gdb has loaded.
        self.files = {}

    def update(self, *question):
        """Asks kmodlab which modules the guest has, and loads or removes their symbols."""
        memory = gdb.selected_inferior()
        with subprocess.Popen(
            PROGRAM + list(question),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as program:
            for line in program.stdout:
                word, rest = line.rstrip("\n").split(" ", 1)
                if word == "read":
                    address, length = rest.split()
                    try:
                        read = memory.read_memory(int(address, 16), int(length)).tobytes()
                    except gdb.MemoryError:
                        read = b""
                    program.stdin.write(read.hex() + "\n")
                    program.stdin.flush()
                elif word == "add":
                    file, sections = rest.split("\t")
                    # The breakpoint can stop twice for one module.
                    if self.files.get(file) == sections:
                        continue
                    self.remove(file)
                    gdb.execute(f"add-symbol-file {file} {sections}", to_string=True)
                    # A source may have changed since gdb showed it: `reload`.
                    gdb.execute("maintenance flush source-cache", to_string=True)
                    self.files[file] = sections
                    gdb.write(f"symbols of {file}\n")
                elif word == "remove":
                    self.remove(rest)

    def remove(self, file):
        """Removes the symbols of a module, whose breakpoints then wait until it is loaded again."""
        if file in self.files:
            gdb.execute(f"remove-symbol-file {file}", to_string=True)
            del self.files[file]


class Watch(gdb.Breakpoint):
    """A place where the kernel has a module in its first argument."""

    def __init__(self, symbols, function, event):
        # A breakpoint in memory would be lost when the kernel's code is unpacked.
        super().__init__(
            f"*{function}", type=gdb.BP_HARDWARE_BREAKPOINT, internal=True
        )
        self.silent = True
        self.symbols = symbols
        self.event = event

    def stop(self):
        module = int(gdb.selected_frame().read_register("rdi"))
        self.symbols.update(self.event, f"{module & (1 << 64) - 1:x}")
        return False


class LxSymbols(gdb.Command):
    """Load the symbols of the modules that the guest has.
Symbols of a module that the guest loads later come by themselves."""

    def __init__(self, symbols):
        super().__init__("lx-symbols", gdb.COMMAND_FILES)
        self.symbols = symbols

    def invoke(self, argument, from_tty):
        for file in list(self.symbols.files):
            self.symbols.remove(file)
        self.symbols.update("list")


_symbols = Symbols()
LxSymbols(_symbols)
Watch(_symbols, "do_init_module", "loading")
Watch(_symbols, "free_module", "removing")
