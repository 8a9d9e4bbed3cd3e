# Sourced after control-plane.sh: waits for objects and shows what they say of themselves.
KINDS=hosts,volumegroups,volumes,snapshots,mirrors,exports,imports

# object_states: one line for each object, `KIND NAME: Ready` or why it is not.
object_states() {
  kubectl get "$KINDS" -o go-template='{{range .items}}{{$ready := "False"}}{{$why := "not reported yet"}}{{range .status.conditions}}{{if eq .type "Ready"}}{{$ready = .status}}{{$why = .message}}{{end}}{{end}}{{.kind}} {{.metadata.name}}: {{if eq $ready "True"}}Ready{{else}}{{$why}}{{end}}{{"\n"}}{{end}}' | sort
}

# wait_for_objects SECONDS: shows each state when it is new; WAITING holds what is not Ready in the end.
wait_for_objects() {
  local deadline=$((SECONDS + $1)) now last=
  while :; do
    now=$(object_states)
    comm -13 <(echo "$last") <(echo "$now") | sed 's/^/    /' >&2
    last=$now
    WAITING=$(grep -v ': Ready$' <<<"$now" || true)
    [ -n "$WAITING" ] && [ "$SECONDS" -lt "$deadline" ] || return 0
    sleep 1
  done
}
