# bash completion for siltfs(1). Verbs, flags and mount options are asked of the program, so they are those it has.

_siltfs_help() { command "${COMP_WORDS[0]}" "$@" --help 2>/dev/null; }

# The verbs: lines of two blanks, a word, blanks and the summary, before the example.
_siltfs_verbs() { command "${COMP_WORDS[0]}" --help 2>/dev/null | sed -n '/^Example/q; s/^  \([a-z]*\)  *.*/\1/p'; }

# "  -l,--lazy    help", "  --size TEXT=256M    help" and "  --watch{2}    help", one flag a line.
_siltfs_flags() { _siltfs_help "$@" | grep -oE '^  -[^ {]+' | tr -d ' ' | tr ',' '\n'; }

# Options behind -o; what takes a value ends in =.
_siltfs_options() {
  _siltfs_help mount | sed -n '/^Options behind -o/,/^As in mount/{s/^  \([a-z_]*=\{0,1\}\).*/\1/p}
    /^As in mount/,/^Accepted/{/^  /{s/[ ,][ ,]*/\n/g;p}}' | grep .
}

_siltfs_mountpoints() { findmnt --raw --noheadings -o TARGET -t fuse.siltfs 2>/dev/null; }
_siltfs_stores() { findmnt --raw --noheadings -o SOURCE -t fuse.siltfs 2>/dev/null; }

_siltfs_reply() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2"); }

# The last option of a list, with what stands before it kept.
_siltfs_reply_options() {
  local before='' i
  [[ $1 == *,* ]] && before=${1%,*},
  _siltfs_reply "$(_siltfs_options)" "${1##*,}"
  for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=$before${COMPREPLY[i]}; done
  [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
  [[ ${#COMPREPLY[@]} -ne 1 ]] || compopt -o nospace 2>/dev/null  # more may follow behind a comma
}

_siltfs_paths() {
  local found
  mapfile -t found < <(compgen -d -- "$2"; compgen -W "$1" -- "$2")
  mapfile -t COMPREPLY < <(printf '%s\n' "${found[@]}" | sort -u | grep .)
  compopt -o filenames 2>/dev/null
}

_siltfs() {
  local word=${COMP_WORDS[COMP_CWORD]} before='' verb=${COMP_WORDS[1]-}
  [ "$COMP_CWORD" -eq 0 ] || before=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  if [ "$COMP_CWORD" -le 1 ]; then
    _siltfs_reply "$(_siltfs_verbs) --help --version" "$word"
    return
  fi
  if [[ $word == -* ]]; then
    if [ "$verb" = debug ] && [ "$COMP_CWORD" -gt 2 ]; then
      _siltfs_reply "$(_siltfs_flags debug "${COMP_WORDS[2]}")" "$word"
    else
      _siltfs_reply "$(_siltfs_flags "$verb")" "$word"
    fi
    return
  fi
  case $verb,$before in
    mount,-o) _siltfs_reply_options "$word"; return ;;
    mkfs,--compression) _siltfs_reply 'snappy zstd none' "$word"; return ;;
    mkfs,--block-size) _siltfs_reply '4K 8K 16K 32K 64K' "$word"; return ;;
    debug,debug) _siltfs_reply "$(_siltfs_help debug | sed -n '/^Subcommands/,/^$/s/^  \([a-z]*\) .*/\1/p')" "$word"; return ;;
    debug,--family) _siltfs_reply 'meta data' "$word"; return ;;
  esac
  case $verb in
    umount) _siltfs_paths "$(_siltfs_mountpoints)" "$word" ;;
    mkfs | mount | fsck) _siltfs_paths '' "$word" ;;
    debug) mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null ;;
    *) _siltfs_paths "$(_siltfs_mountpoints; _siltfs_stores)" "$word" ;;
  esac
}

complete -F _siltfs siltfs
