#!/bin/sh
# digits --mpi over two hosts: two network namespaces with an address each, a cable between them, and mpirun that starts
# the other one's ranks by `ip netns exec`, as it would by ssh. Needs root; exit status 77 where it cannot run.
# usage: two_hosts.sh MPIRUN DIGITS [ARGUMENT...]    ARGUMENT: of digits, instead of a small run on noise
set -eu
mpirun=$1 digits=$2
shift 2
skip() { echo "two_hosts: skipped: $*" >&2; exit 77; }
[ "$(id -u)" = 0 ] || skip "not root"
command -v ip >/dev/null || skip "no ip (iproute2)"
command -v "$mpirun" >/dev/null || skip "no $mpirun"

work=$(mktemp -d)
left=clconv-a-$$ right=clconv-b-$$
cleanup() {
  ip netns delete "$left" 2>/dev/null || true
  ip netns delete "$right" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM
{ ip netns add "$left" && ip netns add "$right"; } 2>"$work/ip" || skip "$(cat "$work/ip")"
ip link add "va$$" netns "$left" type veth peer name "vb$$" netns "$right" 2>"$work/ip" || skip "$(cat "$work/ip")"
connect() { # NAMESPACE LINK ADDRESS
  ip netns exec "$1" ip address add "$3/24" dev "$2"
  ip netns exec "$1" ip link set "$2" up
  ip netns exec "$1" ip link set lo up
}
connect "$left" "va$$" 10.213.7.1
connect "$right" "vb$$" 10.213.7.2

# mpirun's remote shell: AGENT HOST COMMAND..., in the other namespace and with a host name of its own.
cat >"$work/agent" <<EOF
#!/bin/sh
[ "\$1" = 10.213.7.2 ] || { echo "agent: no host \$1" >&2; exit 1; }
shift
exec ip netns exec $right unshare --uts sh -c 'hostname clconv-b; exec sh -c "\$1"' sh "\$*"
EOF
chmod +x "$work/agent"

# 41 images of noise, of which 32 are trained on: 2 steps an epoch, and the sums of a step are of 2.2 MB.
noise() {
  mkdir "$work/data"
  { printf '\000\000\010\003\000\000\000\051\000\000\000\034\000\000\000\034'
    head -c $((41 * 28 * 28)) /dev/urandom; } >"$work/data/t10k-images-idx3-ubyte"
  { printf '\000\000\010\001\000\000\000\051'
    for i in $(seq 41); do printf "\\00$((i % 8))"; done; } >"$work/data/t10k-labels-idx1-ubyte"
}
expected_bytes=0
if [ $# = 0 ]; then
  noise
  set -- --data "$work/data" --batch 8 --epochs 3 --deterministic
  expected_bytes=$((3 * 2 * 2000000))
fi

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1 PMIX_MCA_gds=hash
timeout 100 ip netns exec "$left" unshare --uts sh -c 'hostname clconv-a; exec "$@"' sh \
  "$mpirun" -np 2 --host 10.213.7.1,10.213.7.2 --map-by node --bind-to none --mca plm_rsh_agent "$work/agent" \
  --mca btl tcp,self --mca btl_tcp_if_include 10.213.7.0/24 --mca oob_tcp_if_include 10.213.7.0/24 \
  sh -c 'echo "rank $OMPI_COMM_WORLD_RANK on $(hostname)"; exec "$@"' sh "$digits" --mpi "$@" >"$work/out" 2>&1 ||
  { status=$?; cat "$work/out" >&2; echo "two_hosts: mpirun ended with status $status" >&2; exit 1; }
cat "$work/out"
for line in 'rank 0 on clconv-a' 'rank 1 on clconv-b' '2 ranks, '; do
  grep -q "$line" "$work/out" || { echo "two_hosts: no line '$line'" >&2; exit 1; }
done
sent=$(ip netns exec "$left" sed -n "s/^ *va$$://p" /proc/net/dev | awk '{print $9}')
echo "two_hosts: $((sent / 1000)) kB went from clconv-a to clconv-b"
[ "$sent" -gt "$expected_bytes" ] || { echo "two_hosts: less than $expected_bytes bytes: no gradients" >&2; exit 1; }
