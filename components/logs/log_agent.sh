#!/start/busybox sh
# Starts the log agent. The collector ends at every start where its offsets or its queue are damaged, as after a loss of
# power: if the last start never became healthy, this one is watched. If it ends, too, and becomes healthy without the
# files, they were the reason and are set aside; otherwise they are put back. What is set aside twice is removed.
# The rehearsal and the tests run it with their own shell; $AGENT_PROGRAM is the collector there.
program=${AGENT_PROGRAM:-/otelcol-k8s}
state=${AGENT_STATE_DIR:-/var/lib/otelcol}
address=${MY_POD_IP:-127.0.0.1}:${AGENT_HEALTH_PORT:-13133}
patience=25 # seconds; before the liveness probe ends it

healthy() { wget -q -T 1 -O /dev/null "http://$address/" 2>/dev/null || curl -fs -m 1 -o /dev/null "http://$address/" 2>/dev/null; }

# Lines that are older than its state are not counted: what an agent finds at its first start has not happened now.
begin() {
  [ "$1" = anew ] && date +%s >"$state/began"
  AGENT_BEGAN=$(cat "$state/began" 2>/dev/null)
  case $AGENT_BEGAN in '' | *[!0-9]*) AGENT_BEGAN=$(date +%s) && echo "$AGENT_BEGAN" >"$state/began" ;; esac
  export AGENT_BEGAN="${AGENT_BEGAN}000000000"
}

# Whether it becomes healthy. It goes on as a child of this shell.
try() {
  "$program" "$@" &
  child=$!
  waited=0
  until healthy; do
    kill -0 "$child" 2>/dev/null || return 1
    [ "$waited" -lt "$patience" ] || { kill -9 "$child"; wait "$child"; return 1; }
    waited=$((waited + 1))
    sleep 1
  done
}

mkdir -p "$state"
begin
export AGENT_FILES=kept
if [ -e "$state/starting" ]; then
  trap 'kill -TERM "$child" 2>/dev/null; wait "$child"; exit' TERM INT
  if ! try "$@"; then
    rm -rf "$state/trial" && mkdir "$state/trial" && mv "$state"/receiver_* "$state"/exporter_* "$state/trial" 2>/dev/null
    AGENT_FILES=lost
    before=$AGENT_BEGAN
    begin anew
    if try "$@"; then
      rm -rf "$state/damaged" && mv "$state/trial" "$state/damaged"
      echo "set aside in $state/damaged: $(ls "$state/damaged")" >&2
    else
      rm -f "$state"/receiver_* "$state"/exporter_* && mv "$state"/trial/* "$state"
      echo "${before%000000000}" >"$state/began"
      exit 1
    fi
  fi
  rm -f "$state/starting"
  wait "$child"
  exit
fi
: >"$state/starting"
(
  until healthy; do
    kill -0 $$ 2>/dev/null || exit
    sleep 1
  done
  rm -f "$state/starting"
) &
exec "$program" "$@"
