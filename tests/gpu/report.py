#!/usr/bin/env python3
"""What the kernels for GPUs become in GPUs' instructions. No GPU is needed, and nothing is run or timed.

  report.py                 a table: registers, spills, the share of multiply-adds among the main loop's instructions
  report.py --check         the same; exit status 1 where a kernel spills, or its share is 3 points below shares.txt's;
                            77 where no compiler is found
  report.py --all           also the kernels that only the model of tests/gpu_choice_test.cpp needs
  report.py --update        writes shares.txt; with --all the whole of it
  report.py NAME ...        these kernels only; * stands for any characters

AMD needs clang-15 and libclc-15 (Debian 12's packages), for gfx1100 clang-16. NVIDIA needs ptxas and nvdisasm, of
CUDA, too. Intel needs ocloc (Debian's intel-opencl-icd). AMD's share is that of the vector unit's instructions, those
of the others of all. Of products in float16 (tile_half, tile_matrix) the share is multiply-adds per hundred
instructions, for one instruction has several. docs/gpu.md has what the table says.
"""
import argparse
import fnmatch
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import intel

HERE = pathlib.Path(__file__).resolve().parent
KERNELS = HERE.parent.parent / 'kernels'
SHARES = HERE / 'shares.txt'
CLC = pathlib.Path('/usr/lib/clc')
TARGETS = ('sm_80', 'sm_86', 'sm_90', 'gfx90a', 'gfx1030', 'gfx1100', 'acm-g10')
MARGIN = 3.0  # points; of shares above 100, percent of them

COMMON = ('-DSH=1 -DSW=1 -DDH=1 -DDW=1 -DBIAS=1 -DRESIDUAL=0 -DACTIVATION=activate_relu -DSLOPES=0 -DMASK=0 '
          '-DACCUMULATE=0 -DSTORAGE_FLOAT32 -DWIDE=0 -DWHOLE=1 -DSTORE_FOURS=1')
TAPS = '-DPARTIAL=0 -DCHANNELS_LAST=0 -DGATHER=0 -DONE_TAP=0'
POINT = '-DPARTIAL=0 -DCHANNELS_LAST=0 -DGATHER=1 -DONE_TAP=1'
# Weight gradients: rows of results that are multiples of four pixels, and odd ones.
ROWS = '-DPOINT=0 -DINSIDE=0 -DFULL=1 -DSPAN=4'
ODD_ROWS = '-DPOINT=0 -DINSIDE=0 -DFULL=0 -DSPAN=1'
ROWS_1X1 = '-DPOINT=1 -DINSIDE=1 -DFULL=1 -DSPAN=4'
ODD_ROWS_1X1 = '-DPOINT=1 -DINSIDE=1 -DFULL=0 -DSPAN=1'
WEIGHTS = ('implicit_gemm/weights_tile', 'weights_tile')
DEPTHWISE_WEIGHTS = ('depthwise/weights_fours', 'depthwise_weights_fours')
DIRECT = ('implicit_gemm/direct', 'implicit_gemm_direct')
DEPTHWISE_DIRECT = ('depthwise/direct', 'depthwise_direct')
NAIVE = '-DNHWC=0 -DKRSC=0'


def is_amd(target):
    return target.startswith('gfx')


def tile(bm, bn, bk, tm, tn, amd_bk=None):
    """Of a case: the macros of its sizes, work-items of a work-group, multiply-adds of a step; for a target."""
    def sizes(target):
        amd_depth = amd_bk or (8 if bm >= 64 else bk)  # 4 waves of a SIMD, local memory counted
        depth = amd_depth if is_amd(target) else bk
        taps = '' if target.startswith('sm_') else ' -DDIVIDE_TAPS=1'
        return (f'-DBM={bm} -DBN={bn} -DBK={depth} -DTM={tm} -DTN={tn} -DAHEAD={0 if is_amd(target) else 1}{taps}',
                bm // tm * (bn // tn), depth * tm * tn)
    return sizes


def half(*sizes):
    """The tile with products in float16."""
    return lambda target: with_macros(tile(*sizes), target,
                                      '-DHALF=1 -DHALF_PTX' if target.startswith('sm_') else '-DHALF=1')


# The matrix units of a target, as kernels/parts/matrix_tile.cl numbers them.
UNITS = {'gfx90a': '-DMATRIX=2', 'gfx1100': '-DMATRIX=4', 'acm-g10': '-DMATRIX=3'}


def matrix(*sizes):
    """The tile multiplied by matrix units."""
    return lambda target: units(tile(*sizes), target, UNITS.get(target, '-DMATRIX=1 -DHALF_PTX'))


def tf32(*sizes):
    return lambda target: units(tile(*sizes), target, '-DMATRIX=5')


def units(sizes, target, macros):
    options, items, products = with_macros(sizes, target, macros + ' -DSTORE_FOURS=0')
    return options.replace('-DAHEAD=1', '-DAHEAD=0'), items, products


def with_macros(sizes, target, macros):
    options, items, products = sizes(target)
    return f'{options} {macros}', items, products


def direct(mr):
    """The kernel has no size of its work-groups."""
    return lambda target: (f'-DMR={mr} -DBK=16 -DBM=32', None, 16 * 4 * mr)


def depthwise(rows):
    """All unrolled: the share is that of the whole kernel, borders and stores included."""
    return lambda target: (f'-DTY={rows}', None, None)


def loop(macros=''):
    """The innermost loop, one work-item per result. The kernel has no size of its work-groups."""
    return lambda target: (macros, None, 1)


def depthwise_weights(taps):
    return lambda target: ('-DTY=4 -DITEMS=64 -DPARTS=0', 64, 4 * 4 * taps)


def fused(bm, bn, bk):
    return lambda target: (f'-DM=2 -DBM={bm} -DBN={bn} -DBK={bk} -DTM=8 -DTN=8 -DAHEAD=1', bm * bn // 4, bk * 64)


# name: (file, kernel, macros of the case, its sizes)
CASES = {
    'tile_128x128_3x3': ('implicit_gemm/tile', 'implicit_gemm_tile', TAPS, tile(128, 128, 16, 8, 8)),
    'tile_128x128_1x1': ('implicit_gemm/tile', 'implicit_gemm_tile', POINT, tile(128, 128, 16, 8, 8)),
    'tile_64x64_3x3': ('implicit_gemm/tile', 'implicit_gemm_tile', TAPS, tile(64, 64, 16, 8, 4)),
    'tile_32x64_3x3': ('implicit_gemm/tile', 'implicit_gemm_tile', TAPS, tile(32, 64, 16, 4, 4)),
    'tile_half_128x128_3x3': ('implicit_gemm/tile', 'implicit_gemm_tile', TAPS, half(128, 128, 16, 8, 8, 16)),
    'tile_half_64x64_3x3': ('implicit_gemm/tile', 'implicit_gemm_tile', TAPS, half(64, 64, 16, 8, 4, 16)),
    'tile_half_32x64_3x3': ('implicit_gemm/tile', 'implicit_gemm_tile', TAPS, half(32, 64, 16, 4, 4)),
    'tile_matrix_128x128_3x3': ('implicit_gemm/tile', 'implicit_gemm_tile', TAPS, matrix(128, 128, 32, 8, 8, 32)),
    'tile_matrix_128x128_1x1': ('implicit_gemm/tile', 'implicit_gemm_tile', POINT, matrix(128, 128, 32, 8, 8, 32)),
    'tile_matrix_64x64_3x3': ('implicit_gemm/tile', 'implicit_gemm_tile', TAPS, matrix(64, 64, 32, 8, 4, 32)),
    'tile_matrix_32x64_3x3': ('implicit_gemm/tile', 'implicit_gemm_tile', TAPS, matrix(32, 64, 32, 4, 4)),
    'tile_tf32_128x128_3x3': ('implicit_gemm/tile', 'implicit_gemm_tile', TAPS, tf32(128, 128, 16, 8, 8)),
    'tile_tf32_128x128_1x1': ('implicit_gemm/tile', 'implicit_gemm_tile', POINT, tf32(128, 128, 16, 8, 8)),
    'tile_tf32_64x64_3x3': ('implicit_gemm/tile', 'implicit_gemm_tile', TAPS, tf32(64, 64, 16, 8, 4)),
    'tile_tf32_32x64_3x3': ('implicit_gemm/tile', 'implicit_gemm_tile', TAPS, tf32(32, 64, 16, 4, 4)),
    'weights_tile_128x128': (*WEIGHTS, ROWS, tile(128, 128, 16, 8, 8)),
    'weights_tile_64x64': (*WEIGHTS, ROWS, tile(64, 64, 16, 8, 4)),
    # FLAT: of 3x3 filters what pixels away from the border take.
    'direct_3x3': (*DIRECT, '-DCHANNELS_LAST=0 -DALIGNED=0 -DFLAT=1', direct(8)),
    'direct_1x1': (*DIRECT, '-DCHANNELS_LAST=0 -DALIGNED=1 -DFLAT=1', direct(8)),
    'direct_nhwc_8': (*DIRECT, '-DCHANNELS_LAST=1 -DALIGNED=1 -DFLAT=0', direct(8)),
    'direct_nhwc_4': (*DIRECT, '-DCHANNELS_LAST=1 -DALIGNED=1 -DFLAT=0', direct(4)),
    'depthwise_3x3': ('depthwise/fours', 'depthwise_fours', '-DKH=3 -DKW=3 -DDATA=0 -DNHWC=0', depthwise(4)),
    'depthwise_3x3_nhwc': ('depthwise/fours', 'depthwise_fours', '-DKH=3 -DKW=3 -DDATA=0 -DNHWC=1', depthwise(2)),
    'depthwise_5x5': ('depthwise/fours', 'depthwise_fours', '-DKH=5 -DKW=5 -DDATA=0 -DNHWC=0', depthwise(4)),
    'depthwise_5x5_nhwc': ('depthwise/fours', 'depthwise_fours', '-DKH=5 -DKW=5 -DDATA=0 -DNHWC=1', depthwise(1)),
    'depthwise_weights_3x3': (*DEPTHWISE_WEIGHTS, '-DKH=3 -DKW=3 -DLEFT=1 -DALIGNED=1', depthwise_weights(9)),
    'depthwise_weights_5x5': (*DEPTHWISE_WEIGHTS, '-DKH=5 -DKW=5 -DLEFT=2 -DALIGNED=1', depthwise_weights(25)),
    'depthwise_weights_7x7': (*DEPTHWISE_WEIGHTS, '-DKH=7 -DKW=7 -DLEFT=3 -DALIGNED=1', depthwise_weights(49)),
    # Rows of any length, in any number.
    'depthwise_weights_3x3_odd': (*DEPTHWISE_WEIGHTS, '-DKH=3 -DKW=3 -DLEFT=1 -DALIGNED=0 -DWHOLE=0',
                                  depthwise_weights(9)),
    'depthwise_weights_7x7_odd': (*DEPTHWISE_WEIGHTS, '-DKH=7 -DKW=7 -DLEFT=3 -DALIGNED=0 -DWHOLE=0',
                                  depthwise_weights(49)),
    'winograd_fused_32x32': ('winograd/f2x2_fused', 'winograd_fused', '', fused(32, 32, 8)),
    'winograd_fused_32x16': ('winograd/f2x2_fused', 'winograd_fused', '', fused(32, 16, 8)),
}

# What the model of tests/gpu_choice_test.cpp needs besides.
MORE_CASES = {
    'tile_64x128_3x3': ('implicit_gemm/tile', 'implicit_gemm_tile', TAPS, tile(64, 128, 16, 8, 8)),
    'tile_64x128_1x1': ('implicit_gemm/tile', 'implicit_gemm_tile', POINT, tile(64, 128, 16, 8, 8)),
    'tile_64x64_1x1': ('implicit_gemm/tile', 'implicit_gemm_tile', POINT, tile(64, 64, 16, 8, 4)),
    'tile_32x64_1x1': ('implicit_gemm/tile', 'implicit_gemm_tile', POINT, tile(32, 64, 16, 4, 4)),
    'weights_tile_32x64': (*WEIGHTS, ROWS, tile(32, 64, 16, 4, 4)),
    'weights_tile_128x128_1x1': (*WEIGHTS, ROWS_1X1, tile(128, 128, 16, 8, 8)),
    'weights_tile_64x64_1x1': (*WEIGHTS, ROWS_1X1, tile(64, 64, 8, 8, 4)),
    'weights_tile_32x64_1x1': (*WEIGHTS, ROWS_1X1, tile(32, 64, 16, 4, 4)),
    'weights_tile_128x128_odd': (*WEIGHTS, ODD_ROWS, tile(128, 128, 16, 8, 8)),
    'weights_tile_64x64_odd': (*WEIGHTS, ODD_ROWS, tile(64, 64, 16, 8, 4)),
    'weights_tile_32x64_odd': (*WEIGHTS, ODD_ROWS, tile(32, 64, 16, 4, 4)),
    'weights_tile_128x128_1x1_odd': (*WEIGHTS, ODD_ROWS_1X1, tile(128, 128, 16, 8, 8)),
    'weights_tile_64x64_1x1_odd': (*WEIGHTS, ODD_ROWS_1X1, tile(64, 64, 8, 8, 4)),
    'weights_tile_32x64_1x1_odd': (*WEIGHTS, ODD_ROWS_1X1, tile(32, 64, 16, 4, 4)),
    # What efficiencies in naive.cpp and depthwise's bodies.cpp and weights_direct.cpp are.
    'depthwise_direct_3x3': (*DEPTHWISE_DIRECT, '-DNHWC=0 -DUNROLL=1 -DKH=3 -DKW=3 -DDATA=0', depthwise(4)),
    'depthwise_direct_data': (*DEPTHWISE_DIRECT, '-DNHWC=0 -DUNROLL=0 -DKH=3 -DKW=3 -DDATA=1', loop('-DTY=1')),
    'depthwise_weights_direct': ('depthwise/weights_direct', 'depthwise_weights_direct', '-DKH=3 -DKW=3 -DITEMS=64',
                                 loop()),
    'naive_forward': ('naive', 'naive_forward', NAIVE, loop()),
    'naive_data': ('naive', 'naive_data', NAIVE, loop()),
    'naive_weights': ('naive', 'naive_weights', NAIVE, loop()),
    'winograd_128x128': ('winograd/tile', 'winograd_gpu_multiply', '-DM=4', tile(128, 128, 8, 8, 8)),
    'winograd_64x64': ('winograd/tile', 'winograd_gpu_multiply', '-DM=4', tile(64, 64, 8, 8, 8)),
    'winograd_32x32': ('winograd/tile', 'winograd_gpu_multiply', '-DM=4', tile(32, 32, 16, 4, 4)),
}


def source_of(name, seen):
    """The file and before it the parts that its first line names, as the library puts them together."""
    text = (KERNELS / f'{name}.cl').read_text()
    first = text.splitlines()[0]
    parts = first[len('// parts:'):].split() if first.startswith('// parts:') else []
    before = ''
    for part in parts:
        if part not in seen:
            seen.add(part)
            before += source_of(f'parts/{part}', seen)
    return before + text


def call(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f'report.py: {command[0]} failed: {done.stderr.strip()[:500]}')
    return done.stdout + done.stderr


def clang_for(target):
    return 'clang-16' if target == 'gfx1100' else 'clang-15'  # which knows 128 of its registers


def compile_to(text, options, target, folder, *more):
    (folder / 'program.cl').write_text(text)
    bitcode, triple = (('amdgcn--amdhsa.bc', 'amdgcn-amd-amdhsa') if target.startswith('gfx')
                       else ('nvptx64--nvidiacl.bc', 'nvptx64--nvidiacl'))
    call(clang_for(target), '-x', 'cl', '-cl-std=CL1.2', '-O3', '-w', '-target', triple, '-nogpulib', '-Xclang',
         '-mlink-builtin-bitcode', '-Xclang', CLC / bitcode, *more, *options.split(), '-S', '-o', folder / 'program.s',
         folder / 'program.cl')
    return (folder / 'program.s').read_text()


def amd(text, options, kernel, items, target, folder):
    listing = compile_to(text, options, target, folder, f'-mcpu={target}')
    numbers = dict(re.findall(r'\.(vgpr_count|vgpr_spill_count|private_segment_fixed_size): +(\d+)',
                              next(b for b in listing.split('\n  - ') if re.search(rf'\.name: +{kernel}$', b, re.M))))
    body = listing[listing.index(f'\n{kernel}:'):]
    instructions = []  # (label or mnemonic, where a branch goes)
    for line in body[:body.index('.Lfunc_end')].splitlines():
        if found := re.match(r'(\.LBB\w+):', line):
            instructions.append((found[1], None))
        elif found := re.match(r'\s+([vs]_\w+|ds_\w+|global_\w+|buffer_\w+)(?:\s+(\.LBB\w+))?', line):
            instructions.append((found[1], found[2]))
    return (int(numbers['vgpr_count']), int(numbers['vgpr_spill_count']) + int(numbers['private_segment_fixed_size']),
            instructions)


def nvidia(text, options, kernel, items, target, folder):
    listing = compile_to(text, options, target, folder, '-Xclang', '-target-cpu', '-Xclang', 'sm_80', '-Xclang',
                         '-target-feature', '-Xclang', '+ptx75')
    if items:  # clang drops reqd_work_group_size, by which ptxas gives out registers
        listing = re.sub(rf'(\.entry {kernel}\([^)]*\))', rf'\1\n.reqntid {items}, 1, 1', listing)
    (folder / 'program.ptx').write_text(listing)
    log = call('ptxas', '-v', '-O3', f'-arch={target}', '-o', folder / 'program.cubin', folder / 'program.ptx')
    log = log[log.index(f"'{kernel}'"):]
    registers = int(re.search(r'Used (\d+) registers', log)[1])
    spills = int(re.search(r'(\d+) bytes spill stores', log)[1])
    sass = call('nvdisasm', '-c', folder / 'program.cubin')
    body = re.split(r'\n\s*\.section\s+\.text\.', sass)
    body = next(part for part in body if part.startswith(kernel))
    instructions = []
    for line in body.splitlines():
        if found := re.match(r'\s*(\.L_x_\w+):', line):
            instructions.append((found[1], None))
        elif found := re.match(r'\s+/\*\w+\*/\s+(?:@!?U?P\w+\s+)?([A-Z]\S*)(?:.*`\((\.L_x_\w+)\))?', line):
            instructions.append((found[1].rstrip(';'), found[2]))
    return registers, spills, instructions


# The instructions that multiply and add, and how many times for a work-item. HFMA2 also moves constants elsewhere.
FMAS = {'': ((r'v_pk_fma', 2), (r'v_fma|v_fmac|v_dual_fmac|FFMA|FMA', 1)),
        'half': ((r'v_pk_fma|HFMA2', 2), (r'HALF_FMA', 1)),
        'matrix': ((r'HMMA\.16816|v_mfma_f32_16x16x16', 64), (r'v_wmma_f32_16x16x16|DPAS', 128)),
        'tf32': ((r'HMMA\.1688\.F32\.TF32', 32),)}


def counted(instructions, target, kind):
    """(multiply-adds, instructions that hold them, instructions issued)"""
    fmas = issued = held = 0
    for name, _ in instructions:
        if name.startswith('.'):
            continue
        times = next((times for pattern, times in FMAS[kind] if re.match(pattern, name)), 0)
        fmas += times
        held += 1 if times else 0
        issued += 1 if not is_amd(target) or name.startswith('v_') else 0
    return fmas, held, issued


def share_of(instructions, target, products, one_loop, kind):
    """Of the multiply-adds in a step: of the loop that holds most of them, and what the loop around it adds. Without a
    step, of all instructions."""
    if products is None:
        _, held, issued = counted(instructions, target, kind)
        return 100 * held / issued
    at = {name: i for i, (name, _) in enumerate(instructions) if name.startswith('.')}
    loops = [(at[to], i + 1) for i, (_, to) in enumerate(instructions) if to in at and at[to] < i]
    if not loops:
        return 0.0
    # Of loops with as many multiply-adds the innermost. Where a kernel has one loop, the others are its branches.
    size = -1 if one_loop else 1
    inner = max(loops, key=lambda loop: (counted(instructions[slice(*loop)], target, kind)[0],
                                         size * (loop[0] - loop[1])))
    fmas, held, issued = counted(instructions[slice(*inner)], target, kind)
    trips = products / fmas
    held, issued_inner = held * trips, issued
    issued = issued * trips
    if trips > 1:
        around = [loop for loop in loops if loop[0] <= inner[0] and loop[1] >= inner[1] and loop != inner]
        if around:
            outer = min(around, key=lambda loop: loop[1] - loop[0])
            issued += counted(instructions[slice(*outer)], target, kind)[2] - issued_inner
    return 100 * (products if kind else held) / issued


def missing(target):
    """What is not there to compile for it, or None."""
    if target == 'acm-g10':
        return None if shutil.which('ocloc') else "ocloc, of Debian's intel-opencl-icd"
    clang = clang_for(target)
    if not shutil.which(clang) or not CLC.is_dir():
        return f'{clang} and libclc-15'
    if target.startswith('sm_') and not (shutil.which('ptxas') and shutil.which('nvdisasm')):
        return "ptxas and nvdisasm, of CUDA or of the Python packages nvidia-cuda-nvcc and nvidia-cuda-nvdisasm"
    return None


def arc(text, options, kernel, items, target, folder):
    more = ' -cl-intel-256-GRF-per-thread' if 'TM=8 -DTN=8' in options else ''  # Machine::more_registers
    return intel.compiled(text, options + more, kernel, target, folder)


def is_there(case, target):
    """Is the kernel meant for the target?"""
    if case.startswith('tile_tf32'):
        return target.startswith('sm_')
    if case.startswith('tile_matrix'):  # XMX takes 8 rows at a time
        return target != 'gfx1030' and (case, target) != ('tile_matrix_32x64_3x3', 'acm-g10')
    # Of a loop with conditions, which no other compiler leaves in one piece.
    if case.startswith('naive') or case == 'depthwise_direct_data':
        return target.startswith('sm_')
    return target != 'gfx1100'  # for its matrix units only


def facts(case, target):
    file, kernel, macros, sizes = {**CASES, **MORE_CASES}[case]
    options, items, products = sizes(target)
    compiler = amd if is_amd(target) else nvidia if target.startswith('sm_') else arc
    with tempfile.TemporaryDirectory() as folder:
        registers, spills, instructions = compiler(
            source_of(file, set()), f'{COMMON} {macros} {options}', kernel, items, target, pathlib.Path(folder))
    kind = next((kind for kind in FMAS if kind and f'_{kind}_' in case), '')
    return registers, spills, share_of(instructions, target, products, file == 'winograd/f2x2_fused', kind)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--check', action='store_true')
    parser.add_argument('--update', action='store_true')
    parser.add_argument('--all', action='store_true')
    parser.add_argument('names', nargs='*', metavar='NAME')
    args = parser.parse_args()
    cases = [case for case in ({**CASES, **MORE_CASES} if args.all or args.names else CASES)
             if not args.names or any(fnmatch.fnmatch(case, name) for name in args.names)]
    if not cases:
        sys.exit(f"report.py: no kernel is named {' or '.join(args.names)}")
    rows = [line.split() for line in SHARES.read_text().splitlines()] if SHARES.exists() else []
    kept = {(row[0], row[1]): float(row[4]) for row in rows if len(row) == 5 and row[0] != '#'}
    wanted = [target for target in TARGETS if not missing(target)]
    for target in TARGETS:
        if missing(target):
            print(f'{target}: not compiled, for want of {missing(target)}')
    if not wanted:
        sys.exit(77)
    found, wrong = dict(kept), []
    lines = {(row[0], row[1]): row for row in rows if len(row) == 5 and row[0] != '#'}
    print(f'{"kernel":28} {"target":8} {"registers":>9} {"spills":>6} {"share":>6}  kept')
    for case in cases:
        for target in wanted:
            if not is_there(case, target):
                continue
            registers, spills, share = facts(case, target)
            before = kept.get((case, target))
            kept_share = before if before is not None else '-'
            print(f'{case:28} {target:8} {registers:9} {spills:6} {share:6.1f}  {kept_share}')
            lines[case, target] = [case, target, str(registers), str(spills), f'{share:.1f}']
            if spills:
                wrong.append(f'{case} spills {spills} bytes on {target}')
            if before is None or share < before - MARGIN * max(1, before / 100):
                wrong.append(f'{case} on {target}: share {share:.1f}, in shares.txt {before}')
    if args.update:  # keeps those of compilers that are not here
        head = '# kernel target registers spills share: written by report.py --update (acm-g10: IGC 1.0.12504)\n'
        SHARES.write_text(head + ''.join(' '.join(lines[key]) + '\n' for key in sorted(lines)))
    if args.check and wrong:
        sys.exit('\n'.join(wrong))


if __name__ == '__main__':
    main()
