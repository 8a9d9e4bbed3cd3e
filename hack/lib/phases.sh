# Sourced after env.sh: says what is being done and, in the end, how long each part took.
PHASES=()
PHASE=
PHASE_STARTED=

# phase NAME: ends the one before.
phase() {
  end_phase
  PHASE=$1
  PHASE_STARTED=$EPOCHREALTIME
  say "$1"
}

end_phase() {
  [ -n "$PHASE" ] || return 0
  PHASES+=("$(printf '%7.1f s  %s' "$(seconds_since "$PHASE_STARTED")" "$PHASE")")
  PHASE=
}

# seconds_since EPOCHREALTIME: with one decimal. Its separator is the locale's.
seconds_since() {
  local micros=$((${EPOCHREALTIME//[!0-9]/} - ${1//[!0-9]/}))
  echo "$((micros / 1000000)).$((micros / 100000 % 10))"
}

show_phases() {
  end_phase
  printf '%s\n' "${PHASES[@]}" "$(printf '%7.1f s  all of it' "$(seconds_since "$STARTED")")" >&2
}
