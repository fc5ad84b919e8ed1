#!/usr/bin/env python3
"""One GPU in ten minutes: tests, speeds, and every candidate of the planner beside CLBlast and cuDNN.

usage: gpu.py [--build FOLDER] [--out FOLDER] [--seconds N] [--limit N] [--tests N] [--directions LIST] [SUITE...]

Runs on any OpenCL device; CLCONV_DEVICE names it. SUITE is a file of `name PROBLEM` lines (default: gpu.txt and
core.txt of tests/suites). --seconds is for all of it, --limit for one problem in one direction, --tests for the tests
(0: none). What does not fit is listed as left out, with the reason. Writes gpu.json and gpu.md into --out. docs/gpu.md
has what the columns mean. Exit status 1 where a test failed or a problem could not be measured; 0 otherwise.
"""
import argparse
import concurrent.futures
import importlib.util
import json
import math
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

import gpu_page

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Those that run kernels for GPUs, the most telling first. Of programs and of networks there are no others here.
TESTS = """runtime_test portability_test gpu_bodies_test ops_test implicit_gemm_test winograd_test gpu_shapes_test
  offers_test trust_test finishing_test mask_test semantics_test special_values_test properties_test measure_test
  api_test network_test net_convolution_test strategies_test""".split()
NAIVE_FLOPS = 10e6  # above, naive takes seconds on some devices, and says nothing
MOST_OF_MEMORY = 0.9
CLBLAST = {'im2col_gemm', 'pointwise_gemm'}  # strategies with products that are CLBlast's
FLOAT_BYTES = 4


class Clock:
    def __init__(self, seconds):
        self.begin, self.seconds = time.monotonic(), seconds

    def spent(self):
        return time.monotonic() - self.begin

    def left(self):
        return self.seconds - self.spent()


# ---- problems -----------------------------------------------------------------------------------------------------

def read_suite(path):
    try:
        lines = pathlib.Path(path).read_text().splitlines()
    except OSError as error:
        sys.exit(f"gpu.py: suite '{path}': {error.strerror}")
    rows = [line.split('#')[0].split() for line in lines]
    return [(row[0], row[1]) for row in rows if len(row) > 1]


def sizes(text):
    """The letters of a PROBLEM, padding as (top, bottom, left, right)."""
    found = {key: tuple(map(int, value.split(',')))
             for key, value in re.findall(r'(kh|kw|p[tblrhw]|s[hw]|d[hw]|[nchwkspdg])(\d+(?:,\d+)?)', text)}
    p = {key: found.get(key, (1,))[0] for key in ('n', 'c', 'h', 'w', 'k', 'kh', 'kw', 'g')}
    for key in 'sd':
        p[key] = found.get(key, (1,)) * 2 if len(found.get(key, (1,))) == 1 else found[key]
        p[key] = (found.get(key + 'h', p[key][:1])[0], found.get(key + 'w', p[key][1:2])[0])
    high = found.get('ph', found.get('p', (0,)))[0]
    wide = found.get('pw', found.get('p', (0,)))[-1]
    p['pads'] = tuple(found.get(key, (usual,))[0]
                      for key, usual in (('pt', high), ('pb', high), ('pl', wide), ('pr', wide)))
    top, bottom, left, right = p['pads']
    p['oh'] = (p['h'] + top + bottom - p['d'][0] * (p['kh'] - 1) - 1) // p['s'][0] + 1
    p['ow'] = (p['w'] + left + right - p['d'][1] * (p['kw'] - 1) - 1) // p['s'][1] + 1
    return p


def tensor_bytes(p):
    """Of x, w and y."""
    return [FLOAT_BYTES * count for count in (p['n'] * p['c'] * p['h'] * p['w'],
                                              p['k'] * p['c'] // p['g'] * p['kh'] * p['kw'],
                                              p['n'] * p['k'] * p['oh'] * p['ow'])]


def flops_of(p):
    return 2.0 * p['n'] * p['k'] * p['oh'] * p['ow'] * p['c'] / p['g'] * p['kh'] * p['kw']


def too_large(p, profile):
    """Why the device has not memory enough, or None."""
    tensors = tensor_bytes(p)
    if max(tensors) > profile['max_allocation_bytes']:
        return f"memory: a tensor has {max(tensors)} bytes, the device allows {profile['max_allocation_bytes']}"
    limit = int(MOST_OF_MEMORY * profile['global_memory_bytes'])
    if sum(tensors) > limit:
        return f'memory: the tensors have {sum(tensors)} bytes, of the device\'s memory {limit} are used at most'
    return None


# ---- clconv -------------------------------------------------------------------------------------------------------

class Clconv:
    """The program. Without wisdom: nothing that was measured before counts, and nothing is kept."""

    def __init__(self, build):
        self.program = pathlib.Path(build) / 'clconv'
        if not self.program.exists():
            sys.exit(f'gpu.py: {self.program} is not there: build the target clconv_cli')
        self.environment = {**os.environ, 'CLCONV_WISDOM': 'off'}

    def json(self, *words, timeout=None):
        done = subprocess.run([self.program, *words], capture_output=True, text=True, env=self.environment,
                              timeout=timeout)
        if done.returncode:
            raise RuntimeError(' '.join(done.stderr.split())[:300] or f'clconv ended with {done.returncode}')
        return json.loads(done.stdout)


def products_of_clblast(result):
    return [s for s in result['strategies'] if s['strategy'] == 'pointwise_gemm' or 'body=clblast' in s['config']]


def bench(clconv, item, denied, limit, seconds):
    """(document, result) of `clconv bench --all --json`."""
    words = ['bench', item['problem'], '--direction', item['direction'], '--all', '--json', '--time-limit', str(limit)]
    document = clconv.json(*words, *(['--deny', ','.join(denied)] if denied else []), timeout=seconds)
    return document, document['results'][0]


def add_clblast(clconv, item, result, limit, seconds):
    """Where the limit left no time for CLBlast, it gets a run of its own."""
    waiting = [c for c in result['left_out'] if c['strategy'] in CLBLAST]
    if products_of_clblast(result) or not waiting or seconds < limit:
        return
    others = {s['strategy'] for s in result['strategies'] + result['left_out']} - CLBLAST
    try:
        _, more = bench(clconv, item, sorted(others), limit, seconds)
    except (RuntimeError, subprocess.TimeoutExpired):
        return  # they stay among those left out
    result['strategies'] += products_of_clblast(more)
    known = {(s['strategy'], s['config']) for s in result['strategies']}
    result['left_out'] = [c for c in result['left_out'] if (c['strategy'], c['config']) not in known]


def measured(clconv, item, limit, clock, flops):
    """The problem as `clconv bench` has it, with CLBlast's time and the chosen candidate's predicted one."""
    # The limit does not count the probes, nor the candidate that runs when it ends.
    most = 4 * limit + 60
    document, result = bench(clconv, item, ['naive'] if flops > NAIVE_FLOPS else [], limit, min(clock.left(), most))
    if abs(result['flops'] - flops) > 1e-6 * flops:
        raise RuntimeError(f"clconv counts {result['flops']:.6g} operations, gpu.py {flops:.6g}")
    for name in ('peak_gflops', 'bandwidth_gbs', 'launch_us'):
        result[name] = document[name]
    add_clblast(clconv, item, result, limit, min(clock.left(), most))
    result['clblast_us'] = min((s['median_us'] for s in products_of_clblast(result)), default=None)
    chosen = result['chosen']
    result['predicted_us'] = next((s['predicted_us'] for s in result['strategies'] if chosen and
                                   (s['strategy'], s['config']) == (chosen['strategy'], chosen['config'])), None)
    return result


# ---- cuDNN --------------------------------------------------------------------------------------------------------

class Cudnn:
    """PyTorch's convolutions on its GPU: cuDNN, or AMD's MIOpen. float32 without TF32."""

    def __init__(self, profile):
        self.torch, self.why, self.name = None, None, 'cuDNN'
        if profile['family'] != 'gpu':
            self.why = 'the device is no GPU'
        elif not importlib.util.find_spec('torch'):
            self.why = 'Python has no torch'
        else:
            try:
                import torch
            except Exception as error:  # of whatever kind a broken installation has
                self.why = ' '.join(f'PyTorch cannot be imported: {error}'.split())[:200]
                return
            if not torch.cuda.is_available():
                self.why = f'PyTorch {torch.__version__} finds no GPU'
                return
            names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
            self.index = next((i for i, name in enumerate(names)
                               if name in profile['name'] or profile['name'] in name), 0)
            self.torch = torch
            if torch.version.hip:
                self.name = 'MIOpen'
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
            torch.backends.cudnn.benchmark = True
            self.about = f'PyTorch {torch.__version__}, {names[self.index]}, TF32 off'

    def call(self, p, direction):
        torch, device = self.torch, f'cuda:{self.index}'
        top, bottom, left, right = p['pads']
        if top != bottom or left != right:
            raise RuntimeError('padding that differs from side to side')
        x = torch.rand(p['n'], p['c'], p['h'], p['w'], device=device)
        w = torch.rand(p['k'], p['c'] // p['g'], p['kh'], p['kw'], device=device)
        geometry = p['s'], (top, left), p['d']
        if direction == 'forward':
            return lambda: torch.nn.functional.conv2d(x, w, None, *geometry, p['g'])
        dy = torch.rand(p['n'], p['k'], p['oh'], p['ow'], device=device)
        wanted = [direction == 'backward-data', direction == 'backward-weights', False]
        return lambda: torch.ops.aten.convolution_backward(dy, x, w, None, *geometry, False, [0, 0], p['g'], wanted)

    def median_us(self, p, direction):
        """Of seven batches of at least 2 ms. Throws what PyTorch throws."""
        torch = self.torch
        with torch.inference_mode(), torch.cuda.device(self.index):
            call = self.call(p, direction)

            def batch(runs):
                begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                begin.record()
                for _ in range(runs):
                    call()
                end.record()
                end.synchronize()
                return begin.elapsed_time(end) * 1e3 / runs
            batch(3)  # cuDNN tries its algorithms
            runs = max(1, min(1024, math.ceil(2000 / max(batch(1), 1))))
            return statistics.median(batch(runs) for _ in range(7))


# ---- tests --------------------------------------------------------------------------------------------------------

def run_test(build, name, clock):
    program = pathlib.Path(build) / 'tests' / name
    row = {'name': name, 'passed': 0, 'failed': 0, 'seconds': 0.0, 'note': ''}
    if not program.exists():
        return {**row, 'note': 'not built'}
    if clock.left() < 1:
        return {**row, 'note': 'left out: no time'}
    begin = time.monotonic()
    try:
        done = subprocess.run([program], capture_output=True, text=True, timeout=clock.left())
    except subprocess.TimeoutExpired:
        return {**row, 'seconds': time.monotonic() - begin, 'note': 'stopped: no time'}
    row['seconds'] = time.monotonic() - begin
    found = re.search(r'test cases: *(\d+) \| *(\d+) passed \| *(\d+) failed', done.stdout)
    if found:
        row['passed'], row['failed'] = int(found[2]), int(found[3])
    if done.returncode and not row['failed']:
        row['failed'] = 1
        row['note'] = f'ended with {done.returncode}'
    failed = re.findall(r'^TEST CASE: +(.*)$', done.stdout, re.M)
    if row['failed'] and failed:
        row['note'] = '; '.join(dict.fromkeys(failed))[:300]
    return row


def run_tests(build, seconds):
    """Several at a time where there are cores: most of the time is the compiler's."""
    if seconds <= 0:
        return []
    clock = Clock(seconds)
    jobs = max(1, min(4, (os.cpu_count() or 1) // 2))
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda name: run_test(build, name, clock), TESTS))


# ---- all of it ----------------------------------------------------------------------------------------------------

def measure_one(item, clconv, cudnn, profile, clock, arguments):
    """(result, None), or (None, why it was left out)."""
    p = sizes(item['problem'])
    why = too_large(p, profile)
    if why:
        return None, why
    if clock.left() < arguments.limit:
        return None, f'time: {max(0, clock.left()):.0f} s are left, a problem may take {arguments.limit:g}'
    try:
        result = measured(clconv, item, arguments.limit, clock, flops_of(p))
    except subprocess.TimeoutExpired as error:
        return None, f'time: not done in {error.timeout:.0f} s'
    except (RuntimeError, ValueError, KeyError) as error:
        return None, f'failed: {error}'
    result.update(item, bytes=sum(tensor_bytes(p)), cudnn_us=None)
    if cudnn.torch:
        try:
            result['cudnn_us'] = cudnn.median_us(p, item['direction'])
        except Exception as error:  # of whatever kind PyTorch has
            result['cudnn_failed'] = ' '.join(str(error).split())[:200]
        cudnn.torch.cuda.empty_cache()  # clconv needs the memory
    return result, None


def all_items(arguments):
    """What to measure, in that order: all problems in the first direction, then each in the others."""
    rows = [(pathlib.Path(path).stem, *row) for path in arguments.suites for row in read_suite(path)]
    first, *others = arguments.directions.split(',')
    order = [(row, first) for row in rows] + [(row, direction) for row in rows for direction in others]
    return [{'name': name, 'problem': text, 'direction': direction, 'suite': suite}
            for (suite, name, text), direction in order]


def arguments_of():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('suites', nargs='*', metavar='SUITE',
                        default=[str(ROOT / 'tests/suites' / name) for name in ('gpu.txt', 'core.txt')])
    parser.add_argument('--build', default=str(ROOT / 'build'))
    parser.add_argument('--out', default=str(ROOT / 'build'))
    parser.add_argument('--seconds', type=float, default=570)
    parser.add_argument('--limit', type=float, default=8)
    parser.add_argument('--tests', type=float, default=120)
    parser.add_argument('--directions', default='forward,backward-data,backward-weights')
    parser.add_argument('--list-tests', action='store_true', help='only prints the names of the test programs')
    return parser.parse_args()


def main():
    arguments = arguments_of()
    if arguments.list_tests:
        print(' '.join(TESTS))
        return
    clock = Clock(arguments.seconds)
    clconv = Clconv(arguments.build)
    items = all_items(arguments)
    try:
        estimated, profile = clconv.json('profile'), clconv.json('profile', '--measure')
    except RuntimeError as error:
        sys.exit(f'gpu.py: {error}')
    cudnn = Cudnn(profile)
    document = {'device': profile, 'estimated': {key: estimated[key] for key in gpu_page.SPEEDS},
                'seconds_allowed': arguments.seconds, 'limit_s': arguments.limit,
                'cudnn': cudnn.why or cudnn.about, 'cudnn_name': cudnn.name,
                'tests': run_tests(arguments.build, min(arguments.tests, clock.left())), 'results': [], 'left_out': []}
    for at, item in enumerate(items, 1):
        try:
            result, why = measure_one(item, clconv, cudnn, profile, clock, arguments)
        except KeyboardInterrupt:  # the page of what was measured until then
            print(f'\ninterrupted: {len(items) - at + 1} are left out')
            document['left_out'] += [{**left, 'why': 'interrupted'} for left in items[at - 1:]]
            break
        line = f"[{at}/{len(items)}] {item['direction']} {item['name']}"
        if why:
            document['left_out'].append({**item, 'why': why})
            if clock.left() >= arguments.limit:
                print(f'{line}: left out: {why}', flush=True)
        else:
            document['results'].append(result)
            print(f'{line}: {gpu_page.in_words(result)}', flush=True)
    document['seconds'] = clock.spent()
    out = pathlib.Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / 'gpu.json').write_text(json.dumps(document, indent=1) + '\n')
    (out / 'gpu.md').write_text(gpu_page.page(document))
    late = sum(one['why'].startswith('time:') for one in document['left_out'])
    if late:
        print(f'{late} of {len(items)} were left out for want of time')
    print(f'wrote {out / "gpu.json"} and {out / "gpu.md"}')
    failed = any(test['failed'] for test in document['tests'])
    sys.exit(1 if failed or any(one['why'].startswith('failed') for one in document['left_out']) else 0)


if __name__ == '__main__':
    main()
