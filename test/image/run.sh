#!/usr/bin/env bash
# Builds the Dockerfile and runs what comes out, on a machine without a registry and without a container engine:
# Debian's buildah, as root.
#
# A stand-in: the base image. It is made of this machine's own node with its libraries, busybox and npm, so neither
# Debian slim nor the version of Node in the Dockerfile is proved here, and sizes say nothing. Real: every instruction of
# the Dockerfile, the packages by `npm ci`, the configuration of the image, and a process that runs from it as process 1
# of a PID namespace, as the image's user, on a root file system that is mounted read-only.
set -euo pipefail
cd "$(dirname "$0")/../.."

WORK=$(mktemp -d)
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
BASE=localhost/weir-stand-in
IMAGE=localhost/weir-test
buildah=(buildah --root "$WORK/storage" --runroot "$WORK/run")
running=
upstream=
cleanup() {
  [ -z "$running" ] || kill -KILL "$running" 2>/dev/null || true
  [ -z "$upstream" ] || kill "$upstream" 2>/dev/null || true
  "${buildah[@]}" rm --all >/dev/null 2>&1 || true
  "${buildah[@]}" rmi --all --force >/dev/null 2>&1 || true
  rm -rf "$WORK"
}
trap cleanup EXIT
die() { printf 'FAIL %s\n' "$*" >&2; exit 1; }
ok() { printf 'ok   %s\n' "$*"; }

[ "$(id -u)" = 0 ] || die 'this needs root: namespaces and mounts'
for tool in buildah busybox unshare node; do command -v $tool >/dev/null || die "there is no $tool"; done

# --- the stand-in base --------------------------------------------------------------------------------------------
rootfs=$WORK/base
mkdir -p "$rootfs"/{bin,etc/ssl,tmp,proc,dev,usr/bin,usr/lib/node_modules,usr/local/bin,var/lib/weir}
node=$(readlink -f "$(command -v node)")
npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
cp "$node" "$rootfs/usr/local/bin/node"
for library in $(ldd "$node" | grep -o '/[^ ]*'); do install -D "$library" "$rootfs$library"; done
for library in libnss_dns.so.2 libnss_files.so.2 libresolv.so.2; do
  found=$(ldconfig -p | grep -o "/[^ ]*$library" | head -1)
  [ -z "$found" ] || install -D "$found" "$rootfs$found"
done
cp -r "$npm" "$rootfs/usr/lib/node_modules/npm"
printf '#!/bin/sh\nexec /usr/local/bin/node /usr/lib/node_modules/npm/bin/npm-cli.js "$@"\n' >"$rootfs/usr/local/bin/npm"
chmod +x "$rootfs/usr/local/bin/npm"
cp "$(command -v busybox)" "$rootfs/bin/busybox"
for applet in sh env ls cat mkdir touch; do ln -s busybox "$rootfs/bin/$applet"; done
ln -s /bin/busybox "$rootfs/usr/bin/env"
cp -rL /etc/ssl/certs "$rootfs/etc/ssl/certs"
printf 'root:x:0:0::/root:/bin/sh\n' >"$rootfs/etc/passwd"
container=$("${buildah[@]}" from scratch)
"${buildah[@]}" add --quiet "$container" "$rootfs" / >/dev/null
"${buildah[@]}" config --env PATH=/usr/local/bin:/usr/bin:/bin "$container"
# npm in the build trusts whom this machine trusts.
for variable in SSL_CERT_FILE NODE_EXTRA_CA_CERTS; do
  [ -z "${!variable:-}" ] || "${buildah[@]}" config --env "$variable=/etc/ssl/certs/ca-certificates.crt" "$container"
done
"${buildah[@]}" commit --quiet --rm "$container" "$BASE" >/dev/null
rm -rf "$rootfs"
ok "a stand-in base with node $(node --version) (the Dockerfile has $(sed -n 's/^ARG RUNTIME_IMAGE=//p' Dockerfile))"

# --- build --------------------------------------------------------------------------------------------------------
started=$SECONDS
"${buildah[@]}" bud --pull=never --build-arg BUILD_IMAGE=$BASE --build-arg RUNTIME_IMAGE=$BASE \
  --build-arg REVISION=test --tag $IMAGE . >"$WORK/build" 2>&1 || { tail -40 "$WORK/build" >&2; die 'the build'; }
ok "the Dockerfile builds ($((SECONDS - started)) s)"

container=$("${buildah[@]}" from --pull=never $IMAGE)
"${buildah[@]}" inspect --type image $IMAGE >"$WORK/image.json"
node - "$WORK/image.json" <<'CHECK' || die 'the configuration of the image'
const { config } = JSON.parse(require('node:fs').readFileSync(process.argv[2], 'utf8')).OCIv1
const expected = {
  User: '65532:65532',
  WorkingDir: '/weir',
  StopSignal: 'SIGTERM',
  Entrypoint: ['node', '--enable-source-maps', 'dist/main.js'],
  Cmd: ['run'],
}
for (const [key, value] of Object.entries(expected)) {
  if (JSON.stringify(config[key]) !== JSON.stringify(value)) throw new Error(`${key}: ${JSON.stringify(config[key])}`)
}
for (const label of ['title', 'description', 'licenses', 'version', 'revision', 'base.name']) {
  if (!config.Labels[`org.opencontainers.image.${label}`]) throw new Error(`no label ${label}`)
}
if (Object.keys(config.ExposedPorts).toSorted().join() !== '8080/tcp,9090/tcp') throw new Error('ports')
CHECK
ok 'a user by number, SIGTERM, an entry point without a shell, labels'

root=$("${buildah[@]}" mount "$container")
weir=$root/weir
for path in LICENSE sbom.cdx.json policies/default.yaml dashboard node_modules/lmdb node_modules/@opentelemetry/sdk-trace-base; do
  [ -e "$weir/$path" ] || die "$path is not in the image"
done
for path in src test node_modules/typescript node_modules/vitest node_modules/openai node_modules/@anthropic-ai/sdk; do
  [ ! -e "$weir/$path" ] || die "$path is in the image"
done
[ -z "$(find "$weir" -name '*.test.*' -path '*/dist/*' -print -quit)" ] || die 'tests are in the image'
[ -z "$(find "$weir" -xdev ! -user root -print -quit)" ] || die 'files of the image belong to another than root'
[ -z "$(find "$weir" -xdev -type f -perm -0002 -print -quit)" ] || die 'files of the image can be written by anybody'
ok 'what production needs is in it, and nothing that is for developers, writable or a provider'"'"'s client'

node - "$weir" <<'CHECK' || die 'the bill of materials'
const { readFileSync, existsSync } = require('node:fs')
const { join } = require('node:path')
const weir = process.argv[2]
const bill = JSON.parse(readFileSync(join(weir, 'sbom.cdx.json'), 'utf8'))
if (bill.bomFormat !== 'CycloneDX') throw new Error('not CycloneDX')
const listed = new Set(bill.components.map(({ purl }) => decodeURIComponent(purl)))
// What is installed, by npm's own list of it, has to be what is listed.
const { packages } = JSON.parse(readFileSync(join(weir, 'node_modules/.package-lock.json'), 'utf8'))
const installed = Object.entries(packages).filter(([at]) => existsSync(join(weir, at)))
for (const [at, { version, name }] of installed) {
  const purl = `pkg:npm/${name ?? at.slice(at.lastIndexOf('node_modules/') + 13)}@${version}`
  if (![...listed].some((known) => known.startsWith(purl))) throw new Error(`${purl} is installed and not listed`)
}
if (listed.size < 20 || [...listed].some((purl) => purl.includes('/openai@'))) throw new Error(`${listed.size} components`)
console.log(`     ${bill.specVersion}: ${listed.size} components`)
CHECK
ok 'the bill of materials lists what is installed'

# --- run ----------------------------------------------------------------------------------------------------------
node --input-type=module --eval '
  import { createServer } from "node:http"
  const server = createServer((request, response) => setTimeout(() => response.end("answered"), request.url.includes("slow") ? 2000 : 0))
  server.listen(0, "127.0.0.1", () => console.log(server.address().port))
' >"$WORK/upstream" &
upstream=$!
for _ in $(seq 100); do [ -s "$WORK/upstream" ] && break; sleep 0.05; done
data=$WORK/data
mkdir -p "$data"
head -c 32 /dev/urandom | base64 >"$data/deferral.key"
cat >"$data/weir.yaml" <<CONFIG
listen: 127.0.0.1:0
operator: { listen: 127.0.0.1:0 }
upstreams: { it: 'http://127.0.0.1:$(cat "$WORK/upstream")' }
deferral: { store: lmdb, dir: deferred, keyFiles: [deferral.key] }
otlp: { endpoint: http://127.0.0.1:9 }
drain: { max: 20s, delay: 0s }
CONFIG
chown -R 65532:65532 "$data"
# Process 1 of its PID namespace is what the entry point says: each word before it replaces itself.
cat >"$WORK/start" <<'START'
set -eu
root=$1; data=$2; shift 2
mount --bind "$root" "$root"
mount --bind "$data" "$root/var/lib/weir"
mount -t proc proc "$root/proc"
mount -o remount,bind,ro "$root"
exec chroot --userspec=65532:65532 --groups= "$root" /bin/sh -c 'cd /weir && exec "$@"' start "$@"
START
unshare --pid --mount --fork sh "$WORK/start" "$root" "$data" \
  env -i PATH=/usr/local/bin:/usr/bin:/bin NODE_ENV=production \
  node --enable-source-maps dist/main.js run --config /var/lib/weir/weir.yaml >"$WORK/log" 2>&1 &
running=$!
for _ in $(seq 200); do
  grep -q '"msg":"ready"' "$WORK/log" && break
  kill -0 $running 2>/dev/null || { cat "$WORK/log" >&2; die 'it ended before it was ready'; }
  sleep 0.1
done
said=$(grep '"msg":"ready"' "$WORK/log") || { cat "$WORK/log" >&2; die 'it is not ready'; }
address() { printf '%s' "$said" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
agents=$(address agents); operator=$(address operator)
child=$(cat "/proc/$running/task/$running/children" | tr -d ' ')
status() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$child/status"; }
[ "$(status NSpid | awk '{print $NF}')" = 1 ] || die "it is not process 1: $(status NSpid)"
[ "$(status Uid | awk '{print $1 $2 $3 $4}')" = 65532655326553265532 ] || die "it runs as $(status Uid)"
[ "$(status CapEff)" = 0000000000000000 ] || die "it has capabilities: $(status CapEff)"
tr '\0' ' ' <"/proc/$child/cmdline" | grep -q '^node --enable-source-maps dist/main.js' || die 'it is not node itself'
ok 'runs as process 1 and user 65532, without capabilities'
if nsenter --target "$child" --mount --root --wd /bin/touch /weir/x 2>"$WORK/touch"; then die 'the root can be written'; fi
grep -qi 'read-only' "$WORK/touch" || die "the root is not read-only: $(cat "$WORK/touch")"
ok 'the root file system is read-only'
[ "$(node --eval "fetch('http://$operator/readyz').then((r) => console.log(r.status))")" = 200 ] || die 'not ready'
[ "$(node --eval "fetch('http://$agents/it/quick').then((r) => r.text()).then(console.log)")" = answered ] || die 'no answer'
[ "$(node --eval "fetch('http://$agents/it/later', { headers: { prefer: 'respond-async' } }).then((r) => console.log(r.status))")" = 202 ] ||
  die 'nothing is deferred: is the native part of lmdb there?'
ok 'ready; calls pass, and are deferred to a disk'

node --eval "fetch('http://$agents/it/slow').then((r) => r.text()).then(console.log)" >"$WORK/slow" &
slow=$!
sleep 0.7
began=$(date +%s%N)
kill -TERM "$child"
code=0
wait $running || code=$?
running=
took=$((($(date +%s%N) - began) / 1000000))
wait $slow || true
[ "$code" = 0 ] || { tail -5 "$WORK/log" >&2; die "exit code $code after SIGTERM"; }
[ "$(cat "$WORK/slow")" = answered ] || die 'the call in flight was cut'
[ "$took" -lt 20000 ] || die "it took $took ms"
ok "SIGTERM: the call in flight is answered, and process 1 exits 0 after $took ms"
printf 'all ok\n'
