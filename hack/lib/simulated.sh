# Sourced after control-plane.sh: simulated machines as one background process.
SIMULATED_PID_FILE=$STATE/simulated.pid
SIMULATED_LOG=$STATE/simulated.log

# simulated_pid: the running process of this checkout, if any. A stranger with a recycled pid is not it.
simulated_pid() {
  local pid
  pid=$(cat "$SIMULATED_PID_FILE" 2>/dev/null) || return 1
  { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qF -- "hack/simulated/main.ts $SERVER/" || return 1
  echo "$pid"
}

# start_simulated COUNT: returns once all have joined.
start_simulated() {
  local pid running
  if pid=$(simulated_pid); then
    running=$(tr '\0' '\n' <"/proc/$pid/cmdline" | tail -n1)
    [ "$running" = "$1" ] || die "$running simulated machines run already: hack/down first"
    say "the simulated machines run already (pid $pid)"
    return 0
  fi
  [ ! -e "$SIMULATED_PID_FILE" ] || die "the simulated machines have ended, and their disks with them ($SIMULATED_LOG): hack/down first"
  setsid node hack/simulated/main.ts "$SERVER/pki/admin.kubeconfig" "$1" </dev/null >"$SIMULATED_LOG" 2>&1 &
  echo $! >"$SIMULATED_PID_FILE"
  until grep -qx joined "$SIMULATED_LOG"; do
    simulated_pid >/dev/null || [ "$SECONDS" -lt 2 ] || { tail -n 20 "$SIMULATED_LOG" >&2; die "the simulated machines ended; their last words stand above"; }
    sleep 0.2
  done
}

stop_simulated() {
  local pid deadline=$((SECONDS + 10))
  if pid=$(simulated_pid); then
    say "stopping the simulated machines (pid $pid)"
    kill "$pid"
    while simulated_pid >/dev/null; do
      [ "$SECONDS" -lt "$deadline" ] || kill -KILL "$pid"
      sleep 0.1
    done
  fi
  rm -f "$SIMULATED_PID_FILE" "$SIMULATED_LOG"
}
