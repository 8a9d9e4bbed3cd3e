# Sourced after env.sh: the control plane of this checkout, as a background process with everything under .ferrite/server.
SERVER=$STATE/server
PID_FILE=$SERVER/pid
SERVER_LOG=$STATE/server.log
export KUBECONFIG=$STATE/admin.kubeconfig
KUBE_CACHE=$STATE/kube-cache

# Keeps what it learns of the API inside the checkout.
kubectl() { command kubectl --cache-dir "$KUBE_CACHE" "$@"; }

# server_pid: the running server of this checkout, if any. A stranger with a recycled pid is not it.
server_pid() {
  local pid
  pid=$(cat "$PID_FILE" 2>/dev/null) || return 1
  { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qF -- "--data-dir $SERVER " || return 1
  echo "$pid"
}

# start_server PORT [ADDRESS]: returns once it serves; reachable from the lab's machines as https://api:PORT, and with an
# address of this machine from others too.
start_server() {
  local port=$1 address=${2:-} pid listen=127.0.0.1
  [ -z "$address" ] || listen=0.0.0.0
  mkdir -p "$SERVER"
  chmod 700 "$SERVER"
  if pid=$(server_pid); then
    say "the control plane runs already (pid $pid)"
  else
    say "starting the control plane on 127.0.0.1:$port (log: $SERVER_LOG)"
    setsid cli/ferrite.js server --data-dir "$SERVER" --listen "$listen:$port" \
      --server-name api 10.77.0.1 10.77.1.1 ${address:+"$address"} </dev/null >>"$SERVER_LOG" 2>&1 &
    echo $! >"$PID_FILE"
  fi
  wait_until_ready
}

# server_port: of the running server.
server_port() { sed -nE 's|.*server: "?https://[^"]*:([0-9]+)"?$|\1|p' "$KUBECONFIG"; }

# Ready = the API itself answers /readyz to the administrator's certificate.
wait_until_ready() {
  local deadline=$((SECONDS + 120))
  until [ -e "$SERVER/pki/admin.kubeconfig" ] && ln -sfn server/pki/admin.kubeconfig "$KUBECONFIG" &&
    kubectl get --raw /readyz >/dev/null 2>&1; do
    # Just started, it may still be this very script: its argv comes later, on a busy machine later than the first look.
    server_pid >/dev/null || kill -0 "$(cat "$PID_FILE")" 2>/dev/null || fail_with_log "the control plane ended; its last words stand above"
    [ "$SECONDS" -lt "$deadline" ] || fail_with_log "the control plane is not ready after 120 s: $SERVER_LOG"
    sleep 0.2
  done
}

fail_with_log() {
  tail -n 20 "$SERVER_LOG" >&2
  ! tail -n 20 "$SERVER_LOG" | grep -q EADDRINUSE || die "another process has that port: choose one with --port N"
  die "$1"
}

# stop_server: SIGTERM, and after 20 s SIGKILL for it and its etcd.
stop_server() {
  local pid children deadline=$((SECONDS + 20))
  pid=$(server_pid) || return 0
  say "stopping the control plane (pid $pid)"
  children=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null || true)
  kill "$pid"
  while server_pid >/dev/null; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      say "it does not end by itself: killed"
      # shellcheck disable=SC2086
      kill -KILL "$pid" $children 2>/dev/null || true
    fi
    sleep 0.1
  done
}
