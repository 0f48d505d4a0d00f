import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadPolicies } from '../../src/policy/load.ts'
import { formatProblem } from '../../src/policy/problems.ts'

const BROKEN = join(import.meta.dirname, 'broken')
const FILES = readdirSync(BROKEN).filter((name) => name.endsWith('.yaml'))
const UPSTREAMS = ['openai', 'anthropic']

function problemsOf(file: string): string {
  const result = loadPolicies([join(BROKEN, file)], { upstreams: UPSTREAMS, deferral: false })
  const verdict = result.ok ? 'accepted' : 'refused'
  const lines = result.problems.map((problem) =>
    formatProblem({ ...problem, file: problem.file.split('/').at(-1) ?? '' }),
  )
  return [verdict, ...lines].join('\n')
}

const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  'alias-bomb.yaml': [
    'refused',
    'alias-bomb.yaml:3:8: aliases that unfold to more than 100 copies; allowed: at most 100; fix: write the values out',
  ],
  'bad-duration.yaml': [
    'refused',
    'bad-duration.yaml:4:18: upstreams.*.hold.max is 30; allowed: a duration from 100ms to 15m; fix: write it like 30s',
    'bad-duration.yaml:4:29: upstreams.*.hold.bytes is "1MB"; allowed: a size from 1KiB to 16GiB; fix: write it like 1MiB',
    'bad-duration.yaml:7:42: rules[0].then.limits[0].rate is "10 per second"; allowed: a rate from 1/h to 1000000/s; fix: write it like 10/s or 600/min',
  ],
  'contradictory.yaml': [
    'refused',
    'contradictory.yaml:3:24: min (50) is above max (10); allowed: min at most as large as max; fix: lower min, or set max as well',
    'contradictory.yaml:7:23: final without shed; allowed: final only with `do: shed`; fix: write `do: shed`, or remove final',
    'contradictory.yaml:7:36: limits with `do: pass`: a call that is exempt meets no limit; allowed: limits with hold, or without do; fix: remove limits, or move it to a rule of its own',
    'contradictory.yaml:7:45: a limit per agent without a number; allowed: rate, concurrency or both; fix: add one of them',
    'contradictory.yaml:7:59: burst without rate; allowed: burst only with rate; fix: add rate, or remove burst',
    'contradictory.yaml:8:11: a second rule named "a"; allowed: one rule per name; fix: rename one of them',
    'contradictory.yaml:10:5: when says nothing; allowed: at least one key; fix: remove when: a rule without it is always awake',
    'contradictory.yaml:11:5: then says nothing; allowed: at least one of do, limits, priority, fanOut; fix: say what happens, or remove the rule',
    'contradictory.yaml:14:13: `do: defer` while deferral is not configured: a promise to answer later could not be kept; allowed: pass, hold, shed; fix: configure `deferral:` (docs/deferral.md), write `do: hold`, or try the rule with `mode: shadow`',
    'contradictory.yaml:14:13: warning: the rule never decides: contradictory/a decides every call before it; allowed: the general rule after the special ones; fix: give the earlier rule a match or a when, or put it last',
  ],
  'duplicate-key.yaml': [
    'refused',
    'duplicate-key.yaml:4:3: not valid YAML: Map keys must be unique; allowed: each key once; fix: remove or rename one of the two',
  ],
  'empty.yaml': [
    'refused',
    'empty.yaml:1:1: an empty file; allowed: a map of keys; fix: write something into it',
  ],
  'misspelt-value.yaml': [
    'refused',
    'misspelt-value.yaml:4:11: rules[0].mode is "enforced"; allowed: enforce, shadow, off; nearest: enforce; fix: write enforce',
    'misspelt-value.yaml:5:33: rules[0].match.priority[1] is "bulk"; allowed: critical, interactive, normal, batch; fix: write one of them',
    'misspelt-value.yaml:5:48: rules[0].match.method is "post"; allowed: a method in capital letters, such as GET or POST; fix: change the value',
    'misspelt-value.yaml:6:23: rules[0].when.upstream is "degarded"; allowed: healthy, watch, recovering, drifting, storming, degraded, down; nearest: degraded; fix: write degraded',
    'misspelt-value.yaml:7:17: rules[0].then.do is "holt"; allowed: pass, hold, defer, shed; nearest: hold; fix: write hold',
  ],
  'not-recovering.yaml': [
    'accepted',
    'not-recovering.yaml:5:13: warning: `do: hold` ends when the upstream is recovering: everything that waits would go out at once; allowed: healthy, watch, recovering, drifting, storming, degraded, down; fix: add recovering, so that work is let go step by step',
  ],
  'not-yaml.yaml': [
    'refused',
    'not-yaml.yaml:3:1: not valid YAML: Flow map in block collection must be sufficiently indented and end with a }; allowed: YAML 1.2; fix: check quotes, colons and indentation here; text with { } [ ] # or ": " needs quotes',
  ],
  'out-of-range.yaml': [
    'refused',
    'out-of-range.yaml:4:19: upstreams.*.slots.max is "90s"; allowed: a duration from 1s to 59s; fix: write it like 30s',
    'out-of-range.yaml:5:26: upstreams.*.limit.lossFactor is 1.5; allowed: a number from 0.1 to 0.95; fix: change the value',
  ],
  'prototype-key.yaml': [
    'refused',
    'prototype-key.yaml:3:3: the key "__proto__"; allowed: names of the format; fix: remove it',
  ],
  'regex-like.yaml': [
    'refused',
    'regex-like.yaml:4:20: rules[0].match.path "^/v1/(a+)+$" looks like a regular expression; allowed: a path, * for a segment or a run inside one, /** at the end for the rest; fix: write literals, * for a run inside a segment, /** at the end',
    'regex-like.yaml:4:51: rules[0].match.agent[1] ".*" looks like a regular expression; allowed: an agent id, * for a run of characters; fix: write literals, * for a run inside a segment, /** at the end',
    'regex-like.yaml:7:20: rules[1].match.path "/v1/**/x" has ** before its end; allowed: a path, * for a segment or a run inside one, /** at the end for the rest; fix: use * for one segment, and /** only at the end',
  ],
  'tab.yaml': [
    'refused',
    'tab.yaml:3:1: not valid YAML: Tabs are not allowed as indentation; allowed: spaces; fix: indent with spaces, two per level',
  ],
  'too-deep.yaml': [
    'refused',
    'too-deep.yaml:2:39: nesting deeper than 32 levels; allowed: at most 32; fix: flatten the file',
  ],
  'unknown-key.yaml': [
    'refused',
    'unknown-key.yaml:4:23: unknown key "hodl" in rules[0].then; allowed: do, final, hold, limits, priority, fanOut; nearest: hold; fix: write "hold"',
  ],
  'unknown-upstream.yaml': [
    'refused',
    'unknown-upstream.yaml:3:3: upstream "opnai" is not configured; allowed: openai, anthropic; nearest: openai; fix: write openai',
    'unknown-upstream.yaml:6:33: upstream "anthropc" is not configured; allowed: openai, anthropic; nearest: anthropic; fix: write anthropic',
    'unknown-upstream.yaml:6:43: warning: upstream "elsewhere" matches nothing; allowed: openai, anthropic; fix: configure it, or leave it: the rest of the file works without',
  ],
  'wrong-type.yaml': [
    'refused',
    'wrong-type.yaml:4:20: upstreams.openai.hold.calls is "many"; allowed: a whole number from 1 to 100000; fix: change the value',
    'wrong-type.yaml:5:8: rules is "no"; allowed: a list; fix: change the value',
  ],
  'wrong-version.yaml': [
    'refused',
    'wrong-version.yaml:1:10: version is 2; allowed: 1; fix: change the value',
  ],
}

describe('a broken policy file', () => {
  it('has a fixture for every expectation, and the other way round', () => {
    expect(FILES.toSorted()).toEqual(Object.keys(EXPECTED).toSorted())
  })

  it.each(FILES)('%s is told with place, finding, allowed values and a way out', (file) => {
    expect(problemsOf(file)).toBe(EXPECTED[file]?.join('\n'))
  })
})
