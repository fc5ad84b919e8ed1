#!/usr/bin/env python3
"""bench/gpu.py, which ./dev gpu runs, on the device under test. usage: script_test.py BUILD"""
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / 'bench'))
import gpu  # noqa: E402
import gpu_page  # noqa: E402

SUITE = 'small n1c8h10w10k8kh3kw3p1 # comment\nvast n8192c1024h1024w1024k8kh3kw3p1\n'


def expect(holds, text):
    if not holds:
        sys.exit(f'script_test: {text}')


def run(folder, *words):
    done = subprocess.run([sys.executable, '-B', ROOT / 'bench/gpu.py', '--build', sys.argv[1], '--out', folder, *words],
                          capture_output=True, text=True)
    document = json.loads((folder / 'gpu.json').read_text()) if (folder / 'gpu.json').exists() else None
    page = (folder / 'gpu.md').read_text() if (folder / 'gpu.md').exists() else ''
    return done, document, page


def check_sizes():
    p = gpu.sizes('n2c3h10w20k4kh3kw5s2,1p1,2d2,1')
    expect((p['n'], p['c'], p['k'], p['kh'], p['kw'], p['g']) == (2, 3, 4, 3, 5, 1), f'sizes are {p}')
    expect((p['oh'], p['ow'], p['pads']) == (4, 20, (1, 1, 2, 2)), f'sizes are {p}')
    p = gpu.sizes('n1c64h1w40k8kh1kw9ph0pw4')
    expect((p['oh'], p['ow'], gpu.flops_of(p)) == (1, 40, 2.0 * 8 * 40 * 64 * 9), f'sizes are {p}')
    expect(gpu.sizes('n1c4h8w8k4kh3kw3s2pb1pr1g4')['pads'] == (0, 1, 0, 1), 'pads by side')
    small = {'max_allocation_bytes': 1000, 'global_memory_bytes': 2000}
    expect(gpu.too_large(gpu.sizes('n1c1h8w8k1kh1kw1'), small) is None, '516 bytes do not fit')
    expect('allows 1000' in gpu.too_large(gpu.sizes('n1c8h8w8k1kh1kw1'), small), 'a tensor of 2048 bytes fits')
    expect('are used at most' in gpu.too_large(gpu.sizes('n1c3h8w8k3kh5kw5p2'), small), '2436 bytes fit')


def check_run(folder, suite):
    done, document, page = run(folder, '--tests', '0', '--directions', 'forward', '--limit', '1', '--seconds', '200',
                               suite)
    expect(done.returncode == 0, f'ended with {done.returncode}: {done.stdout}{done.stderr}')
    expect([r['name'] for r in document['results']] == ['small'], f'measured: {done.stdout}')
    result = document['results'][0]
    expect(result['chosen_us'] > 0 and result['predicted_us'] > 0 and result['best_us'] > 0, 'a time is missing')
    expect(len(result['strategies']) + len(result['left_out']) > 1, 'only one candidate')
    expect(document['device']['measured'] and document['device']['peak_gflops'] > 0, 'no peak')
    why = [one['why'] for one in document['left_out'] if one['name'] == 'vast']
    expect(len(why) == 1 and why[0].startswith('memory: a tensor has 35184372088832 bytes'), f'vast: {why}')
    for text in ('## In short', '| small |', gpu_page.us_text(result['predicted_us']), 'cuDNN', 'memory: a tensor'):
        expect(text in page, f'the page lacks {text}')


def check_no_time(folder, suite):
    done, document, page = run(folder, '--tests', '0', '--directions', 'forward', '--seconds', '0', suite)
    expect(done.returncode == 0 and not document['results'], f'without time: {done.stdout}{done.stderr}')
    expect([one['name'] for one in document['left_out']] == ['small', 'vast'], 'something was dropped')
    expect('time: 0 s are left' in page, 'the page does not say why')


def check_interrupted(folder, suite):
    """What was measured before stays, and the page says what is left out."""
    def stop(item, *_):
        if item['name'] == 'vast':
            raise KeyboardInterrupt
        return None, 'memory: none'
    gpu.measure_one, before = stop, gpu.measure_one
    sys.argv = ['gpu.py', '--build', sys.argv[1], '--out', str(folder), '--tests', '0', '--directions', 'forward', suite]
    try:
        gpu.main()
    except SystemExit as ended:
        expect(ended.code == 0, f'interrupted: {ended.code}')
    gpu.measure_one = before
    document = json.loads((folder / 'gpu.json').read_text())
    expect([one['why'] for one in document['left_out']] == ['memory: none', 'interrupted'], 'interrupted: what is left out')
    expect('interrupted' in (folder / 'gpu.md').read_text(), 'the page does not say that it was interrupted')


def main():
    check_sizes()
    with tempfile.TemporaryDirectory(prefix='clconv-gpu-') as name:
        folder = pathlib.Path(name)
        suite = folder / 'two.txt'
        suite.write_text(SUITE)
        check_run(folder, suite)
        check_no_time(folder, suite)
        done, _, _ = run(folder, folder / 'none.txt')
        expect(done.returncode != 0 and "suite '" in done.stderr, f'a suite that is not there: {done.stderr}')
        check_interrupted(folder, str(suite))


if __name__ == '__main__':
    main()
