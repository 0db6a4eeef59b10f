#!/bin/bash
# Unpacks a package's source into a directory: perf/fetch_source.sh PACKAGE DIRECTORY. Uses the machine's own apt sources, with
# their source packages switched on in a private copy; nothing of the system's configuration is changed.
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: perf/fetch_source.sh PACKAGE DIRECTORY" >&2; exit 2; }
package=$1
directory=$(realpath "$2")
private=$(mktemp -d)
trap 'rm -rf "$private"' EXIT
mkdir -p "$private/parts" "$private/lists/partial" "$private/archives/partial" "$directory"
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
  case $file in
    *.list) [ -s "$file" ] && sed -n 's/^deb /deb-src /p' "$file" >"$private/parts/${file##*/}" ;;
    *.sources) [ -s "$file" ] && sed 's/^Types:.*/Types: deb-src/' "$file" >"$private/parts/${file##*/}" ;;
  esac
done
options=(-o "Dir::Etc::SourceList=/dev/null" -o "Dir::Etc::SourceParts=$private/parts" -o "Dir::State::Lists=$private/lists"
  -o "Dir::Cache::Archives=$private/archives" -o "APT::Sandbox::User=root")
apt-get "${options[@]}" -qq update || true # one unreachable source must not stop the others
cd "$directory"
apt-get "${options[@]}" -qq source "$package"
