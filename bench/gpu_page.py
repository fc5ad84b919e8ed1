"""The page of Markdown that gpu.py writes: from its document to text, nothing is measured here."""
import math

SPEEDS = ('peak_gflops', 'bandwidth_gbs', 'launch_us')


def us_text(us):
    if us is None:
        return '-'
    if us < 1000:
        return f'{us:.3g} us'
    return f'{us / 1e3:.3g} ms' if us < 1e6 else f'{us / 1e6:.3g} s'


def ratio_text(ratio):
    return '-' if ratio is None else f'{ratio:.2f}x'


def mean(values):
    """Geometric; None of none."""
    known = [value for value in values if value]
    return math.exp(sum(map(math.log, known)) / len(known)) if known else None


def over(result, name):
    """How many times as fast as `name` the choice is."""
    if not result['chosen_us'] or not result.get(name):
        return None
    return result[name] / result['chosen_us']


def of_peak(result):
    return result['flops'] / result['chosen_us'] * 1e-3 / result['peak_gflops'] if result['chosen_us'] else None


def of_roofline(result):
    """The least time by peak and bandwidth, as a fraction of the measured one."""
    if not result['chosen_us']:
        return None
    least = max(result['flops'] / result['peak_gflops'], result['bytes'] / result['bandwidth_gbs']) * 1e-3
    return least / result['chosen_us']


def percent(share):
    return '-' if share is None else f'{100 * share:.0f} %'


def variant(candidate):
    return f"{candidate['strategy']} {candidate['config']}".strip() if candidate else '-'


def short(candidate):
    """Strategy and body."""
    if not candidate:
        return '-'
    body = candidate['config'].split(',')[0]
    return candidate['strategy'] + (' ' + body[len('body='):] if body.startswith('body=') else '')


def in_words(result):
    return (f"{short(result['chosen'])} {us_text(result['chosen_us'])}, predicted {us_text(result['predicted_us'])}, "
            f"{percent(of_peak(result))} of peak, best {us_text(result['best_us'])}, "
            f"CLBlast {us_text(result['clblast_us'])}")


def table(head, rows):
    return ['| ' + ' | '.join(head) + ' |', '|' + '---|' * len(head),
            *('| ' + ' | '.join(str(cell).replace('|', '/') for cell in row) + ' |' for row in rows), '']


def summary(document):
    name = document['cudnn_name']
    rows = []
    for direction in dict.fromkeys(r['direction'] for r in document['results']):
        results = [r for r in document['results'] if r['direction'] == direction and r['chosen_us']]
        if not results:
            continue
        rows.append([direction, len(results), percent(mean(map(of_peak, results))),
                     percent(mean(map(of_roofline, results))),
                     ratio_text(mean(r['chosen_us'] / r['best_us'] for r in results)),
                     ratio_text(mean(r['predicted_us'] / r['chosen_us'] for r in results)),
                     ratio_text(mean(over(r, 'clblast_us') for r in results)),
                     ratio_text(mean(over(r, 'cudnn_us') for r in results))])
    head = ['direction', 'problems', 'of peak', 'of roofline', 'chosen / best', 'predicted / measured', 'over CLBlast',
            f'over {name}']
    return ['## In short', '', 'Geometric means over the problems that were measured.', '', *table(head, rows)]


def device(document):
    p = document['device']
    rows = [[label, f'{document["estimated"][key]:.4g} {unit}', f'{p[key]:.4g} {unit}']
            for label, key, unit in zip(('FMA peak', 'copy bandwidth', 'launch'), SPEEDS, ('GFLOP/s', 'GB/s', 'us'))]
    about = (f"{p['compute_units']} compute units at {p['clock_mhz']} MHz, work-groups of up to "
             f"{p['max_work_group_size']}, {p['local_memory_bytes'] // 1024} KiB of local memory, "
             f"{p['global_memory_bytes'] / 2**30:.1f} GiB of memory.")
    return ['## Speeds', '', about, '', *table(['', 'estimated', 'measured'], rows)]


def ended(test):
    return test['passed'] + test['failed'] > 0


def tests_in_words(document):
    if not document['tests']:
        return 'No tests were run.'
    failed = [t['name'] for t in document['tests'] if t['failed']]
    return (f"{sum(map(ended, document['tests']))} of {len(document['tests'])} test programs ran to their end, "
            + (f"with failures in {', '.join(failed)}." if failed else 'without a failure.'))


def tests(document):
    if not document['tests']:
        return ['## Tests', '', 'None were run.', '']
    rows = [[t['name'], *([t['passed'], t['failed']] if ended(t) else ['-', '-']),
             f"{t['seconds']:.0f} s" if t['seconds'] else '-', t['note']] for t in document['tests']]
    return ['## Tests', '', *table(['program', 'passed', 'failed', 'took', ''], rows)]


def problems(document):
    lines = []
    groups = dict.fromkeys((r['direction'], r['suite']) for r in document['results'])
    head = ['problem', 'GFLOP', 'chosen', 'predicted', 'measured', 'of peak', 'of roofline', 'best', 'CLBlast',
            'over it', document['cudnn_name'], 'over it']
    for direction, suite in groups:
        rows = []
        for r in document['results']:
            if (r['direction'], r['suite']) != (direction, suite):
                continue
            same = r['best'] and r['chosen'] and variant(r['best']) == variant(r['chosen'])
            rows.append([r['name'], f"{r['flops'] * 1e-9:.3g}", short(r['chosen']), us_text(r['predicted_us']),
                         us_text(r['chosen_us']), percent(of_peak(r)), percent(of_roofline(r)),
                         'the same' if same else f"{short(r['best'])} {us_text(r['best_us'])}",
                         us_text(r['clblast_us']), ratio_text(over(r, 'clblast_us')), us_text(r['cudnn_us']),
                         ratio_text(over(r, 'cudnn_us'))])
        lines += [f'## {direction}, {suite}', '', *table(head, rows)]
    return lines


def problems_left_out(document):
    """A row for each; for all that there was no time for, or that came after an interruption, a row for a direction."""
    rows, together = [], {}
    for one in document['left_out']:
        kind = one['why'].split(':')[0]
        if kind in ('time', 'interrupted'):
            together.setdefault((one['direction'], kind), []).append(one)
        else:
            rows.append([one['direction'], one['name'], one['problem'], one['why']])
    for (direction, _), those in together.items():
        names = those[0]['name'] if len(those) == 1 else f'{len(those)} problems'
        rows.append([direction, names, ', '.join(one['name'] for one in those), those[0]['why']])
    return rows


def left_out(document):
    lines = ['## Left out', '']
    rows = problems_left_out(document)
    for r in document['results']:
        if r['left_out']:
            least = min(c['predicted_us'] for c in r['left_out'])
            rows.append([r['direction'], r['name'], f"{len(r['left_out'])} candidates",
                         f'time: predicted {us_text(least)} or more'])
    rows += [[r['direction'], r['name'], variant(c), 'failed: ' + c['text'][:200]]
             for r in document['results'] for c in r['failures']]
    rows += [[r['direction'], r['name'], document['cudnn_name'], 'failed: ' + r['cudnn_failed']]
             for r in document['results'] if 'cudnn_failed' in r]
    return lines + (table(['direction', 'problem', 'what', 'why'], rows) if rows else ['Nothing.', ''])


def candidates(document):
    lines = ['## Every candidate', '']
    for r in document['results']:
        rows = [[variant(s), us_text(s['predicted_us']), us_text(s['median_us']),
                 ratio_text(s['predicted_us'] / s['median_us']), f"{s['gflops']:.4g}"] for s in r['strategies']]
        rows += [[variant(c), us_text(c['predicted_us']), 'no time', '-', '-'] for c in r['left_out']]
        lines += [f"<details><summary>{r['direction']} {r['name']}, {r['problem']}</summary>", '',
                  *table(['candidate', 'predicted', 'measured', 'predicted / measured', 'GFLOP/s'], rows),
                  '</details>', '']
    return lines


def page(document):
    p = document['device']
    lines = [f"# clconv on {p['name']}", '',
             f"{p['platform']}, driver {p['driver']}. {len(document['results'])} problems measured in "
             f"{document['seconds']:.0f} of {document['seconds_allowed']:.0f} s, "
             f"with a limit of {document['limit_s']:g} s for the candidates of each, "
             f"{len(document['left_out'])} left out. {tests_in_words(document)} "
             f"{document['cudnn_name']}: {document['cudnn']}.", '']
    for part in (summary, device, tests, problems, left_out, candidates):
        lines += part(document)
    return '\n'.join(lines)
