#!/bin/sh
# Makes the namespace and vakhta's search attributes. Can be run again at any time.
set -eu
export TEMPORAL_ADDRESS="${TEMPORAL_ADDRESS:-temporal:7233}"
export TEMPORAL_NAMESPACE="${TEMPORAL_NAMESPACE:-default}"

temporal operator namespace describe -n "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
  temporal operator namespace create -n "$TEMPORAL_NAMESPACE" --retention 720h

attempt=0
until have=$(temporal operator search-attribute list 2>/dev/null); do # a new namespace takes a moment to be known
  attempt=$((attempt + 1))
  [ "$attempt" -lt 30 ] || { echo "namespace $TEMPORAL_NAMESPACE doesn't answer" >&2; exit 1; }
  sleep 1
done
ensure() {
  echo "$have" | grep -qw "$1" || temporal operator search-attribute create --name "$1" --type "$2"
}
for name in VakhtaIncident VakhtaSite VakhtaSeverity VakhtaClient VakhtaStatus VakhtaRunbook; do
  ensure "$name" Keyword
done
ensure VakhtaClients KeywordList
