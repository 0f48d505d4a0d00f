#!/usr/bin/env bash
# Renders the chart with every value set of helm/weir/ci, compares with test/helm/golden, and proves that wrong values
# are refused. Not part of `npm test`: it needs a renderer.
#
#   test/helm/run.sh            compare
#   test/helm/run.sh --update   write the goldens again; look at the diff
#
# Renderer: the `helm` in PATH; else $MINIHELM, a program that renders a chart with Helm's own template libraries
# (`-n namespace -r release -kube version -f values chart`), built, or as Go source, for which Debian's packages are
# installed. Real helm checks values.schema.json as well; without it test/helm/values.test.ts, a part of `npm test`,
# does that alone. A first line `# kube: v1.36.0` of a value set says for which Kubernetes it is rendered; else 1.33.
# The goldens, and what `weir inject` makes of public manifests, are checked against Kubernetes' own types. With promtool in PATH, or Debian's package of it, the alerts are
# checked and played, and the queries of the dashboard parsed.
set -euo pipefail
cd "$(dirname "$0")/../.."

CHART=helm/weir
HERE=test/helm
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
failures=0

say() { printf '%s\n' "$*"; }
fail() { say "FAIL $*" >&2; failures=$((failures + 1)); }
die() { say "test/helm/run.sh: $*" >&2; exit 1; }
install_debian() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "install these first: $*"
  say "installing $*"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

kube_of() {
  local said
  said=$(sed -n 's/^# kube: //p' "$1")
  printf '%s' "${said:-v1.33.0}"
}

if command -v helm >/dev/null; then
  renderer=helm
  render() { helm template weir "$CHART" --namespace agents --kube-version "$(kube_of "$1")" --values "$1"; }
elif [ -n "${MINIHELM:-}" ]; then
  [ -e "$MINIHELM" ] || die "MINIHELM=$MINIHELM: there is no such file"
  renderer=$MINIHELM
  if [[ $MINIHELM == *.go ]]; then
    gocode=/usr/share/gocode/src
    if ! command -v go >/dev/null || [ ! -d $gocode/github.com/Masterminds/sprig ] || [ ! -d $gocode/sigs.k8s.io/yaml ]; then
      install_debian golang-go golang-github-masterminds-sprig-dev golang-k8s-sigs-yaml-dev
    fi
    mkdir "$WORK/src"
    cp "$MINIHELM" "$WORK/src/main.go"
    (cd "$WORK/src" && GO111MODULE=off GOPATH=/usr/share/gocode go build -o "$WORK/minihelm" .)
    renderer=$WORK/minihelm
  fi
  render() { "$renderer" -n agents -r weir -kube "$(kube_of "$1")" -f "$1" "$CHART"; }
else
  die 'there is no helm in PATH, and MINIHELM does not name a renderer (a built one, or its main.go)'
fi
say "rendering with $(basename "$renderer")"

# As a set of documents: renderers order them, and put hooks, differently. Comments and empty lines are not compared.
normalised() { node "$HERE/normalise.mjs"; }

seen=0
for values in "$CHART"/ci/*-values.yaml; do
  name=$(basename "$values" -values.yaml)
  golden=$HERE/golden/$name.yaml
  seen=$((seen + 1))
  if ! render "$values" >"$WORK/raw" 2>"$WORK/errors"; then
    fail "$name: $(cat "$WORK/errors")"
    continue
  fi
  normalised <"$WORK/raw" >"$WORK/$name.yaml"
  if [ "${1:-}" = --update ]; then cp "$WORK/$name.yaml" "$golden"; fi
  if [ ! -f "$golden" ]; then fail "$name: no golden; run with --update"
  elif diff -u "$golden" "$WORK/$name.yaml"; then say "ok   $name"
  else fail "$name: not as in $golden"; fi
done
[ "$seen" -gt 0 ] || die "no value sets in $CHART/ci"
for golden in "$HERE"/golden/*.yaml; do
  [ -f "$CHART/ci/$(basename "$golden" .yaml)-values.yaml" ] || fail "$golden: no value set of that name"
done

# The first line of each says what the refusal has to say. `schema-*` are the schema's to refuse.
for values in "$HERE"/refused/*.yaml; do
  name=$(basename "$values" .yaml)
  says=$(sed -n '1s/^# says: //p' "$values")
  [ -n "$says" ] || { fail "$name: its first line is not '# says: ...'"; continue; }
  if [[ $name == schema-* ]] && [ "$renderer" != helm ]; then continue; fi
  if render "$values" >/dev/null 2>"$WORK/errors"; then fail "$name: rendered, but should be refused"
  elif [[ $name == schema-* ]] || grep -qF -- "$says" "$WORK/errors"; then say "ok   refused: $name"
  else fail "$name: refused, but not with '$says': $(cat "$WORK/errors")"; fi
done

# Against Kubernetes' own types, with the packages of test/helm/types.
[ -d "$HERE/types/node_modules" ] || npm ci --prefix "$HERE/types" --ignore-scripts --no-audit --no-fund >/dev/null
if node "$HERE/types/check.mjs"; then say 'ok   types'; else fail 'types'; fi
if node "$HERE/types/injection.mjs"; then say 'ok   admission policy'; else fail 'admission policy'; fi
injected=()
for manifest in test/inject/manifests/*.txt; do
  file=$WORK/$(basename "$manifest" .txt)
  injected+=("$file")
  node --import tsx src/main.ts inject -f - --all --image registry.example/weir:1 --upstream openai --upstream anthropic \
    --redis-secret weir-redis/url <"$manifest" >"$file" 2>/dev/null || fail "weir inject: $manifest"
done
if node "$HERE/types/check.mjs" "${injected[@]}"; then say 'ok   injected manifests'; else fail 'injected manifests'; fi
if node "$HERE/types/check.mjs" examples/sidecar/agent.yaml; then say 'ok   the sidecar by hand'; else fail 'the sidecar by hand'; fi

command -v promtool >/dev/null || install_debian prometheus
if promtool check rules "$CHART/files/rules.yaml" && promtool test rules "$HERE/rules.yaml" &&
  cp deploy/prometheus.yml "$WORK/prometheus.yml" && cp "$CHART/files/rules.yaml" "$WORK/rules.yaml" &&
  promtool check config "$WORK/prometheus.yml"; then say 'ok   alerts'
else fail 'alerts'; fi

# The dashboard's queries, as rules: that is how promtool reads PromQL.
node -e '
  const { panels } = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"))
  const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
  const rules = queries.map((query, index) => ({ record: `query_${index}`, expr: query.replaceAll("$__rate_interval", "5m") }))
  console.log(JSON.stringify({ groups: [{ name: "dashboard", rules }] }))
' "$CHART/files/dashboard.json" >"$WORK/dashboard.yaml"
if promtool check rules "$WORK/dashboard.yaml"; then say 'ok   dashboard'; else fail 'dashboard'; fi

[ "$failures" = 0 ] || die "$failures failed"
say 'all ok'
