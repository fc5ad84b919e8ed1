"""Kernels through Intel's ocloc (Debian: intel-opencl-icd): what report.py counts. Facts of the compiler only."""
import os
import re
import subprocess
import sys


def jumps_of(mnemonic, code):
    """Labels that a branch goes to."""
    branches = mnemonic.split('.')[0] in ('jmpi', 'while', 'goto', 'brd', 'brc')
    return re.findall(r'\b(?:_\w+|L\d+)\b', code) if branches else []


def name_of(mnemonic, code):
    """The mnemonic; FMA or HALF_FMA for a multiply-add of a vector of floats, DPAS for one of matrices."""
    if mnemonic.startswith('mad') and re.match(r' *\((8|16|32)\|M', code):
        return 'FMA' if ':f ' in code else 'HALF_FMA' if ':hf ' in code else 'MAD'
    return 'DPAS' if mnemonic.startswith('dpas') else mnemonic.upper()


def instructions_of(listing):
    """[(label or mnemonic, where a branch goes)]; a label begins with a point, as those of other compilers do. Of two
    labels of a branch that closes a loop the one above it counts. Without `sync`, which waits and issues nothing."""
    instructions, above = [], set()
    for line in listing.splitlines():
        if label := re.match(r'([A-Za-z_]\w*):', line):
            above.add(label[1])
            instructions.append((f'.{label[1]}', None))
        elif found := re.match(r'(?:\([^)]*\))?\s+([a-z][a-z0-9.]*)\b(.*)$', line):
            if found[1].startswith('sync'):
                continue
            code = found[2].partition('//')[0]
            jump = next((label for label in jumps_of(found[1], code) if label in above), None)
            instructions.append((name_of(found[1], code), f'.{jump}' if jump else None))
    return instructions


def compiled(text, options, kernel, target, folder):
    """Registers, bytes spilled, instructions."""
    (folder / 'program.cl').write_text(text)
    dump = folder / 'dump'
    dump.mkdir()
    done = subprocess.run(['ocloc', 'compile', '-file', folder / 'program.cl', '-device', target, '-out_dir', dump,
                           '-options', options], capture_output=True, text=True,
                          env={**os.environ, 'IGC_ShaderDumpEnable': '1', 'IGC_DumpToCustomDir': str(dump)})
    log = done.stdout + done.stderr
    if 'Build succeeded' not in log:
        sys.exit(f'report.py: ocloc failed: {log.strip()[-500:]}')
    # A kernel that spills is compiled again with other settings, and the log has how many registers the one spills that
    # is taken.
    taken = re.search(rf'kernel {kernel} +compiled SIMD\d+ allocated \d+ regs and spilled around (\d+)', log)
    spilled = 32 * int(taken[1]) if taken else 0
    for file in sorted(dump.glob('*.asm')):
        listing = file.read_text()
        size = re.search(r'^//\.spill size (\d+)', listing, re.M)
        spills = int(size[1]) if size else 0
        if re.search(rf'^//\.kernel "?{kernel}\b', listing, re.M) and spills == spilled:
            registers = re.search(r'numGRF=(\d+)', listing)
            return int(registers[1]) if registers else 128, spills, instructions_of(listing)
    sys.exit(f'report.py: ocloc wrote no listing of {kernel}')
