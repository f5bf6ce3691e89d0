# Runs inside a container that has no python3: the same records, fewer facts, nothing written.
ulimit -f 0; ulimit -t 20
if command -v base64 >/dev/null; then b() { base64 | tr -d '\n'; }; else
  echo 'x b Lw== bm8gYmFzZTY0'; echo 'e b Lw== -'; exit 0; fi
put() { printf '%s b ' "$1"; printf '%s' "$2" | b; printf ' '; head -c "$3" 2>/dev/null | b; echo; }
file() { [ -f "$1" ] && [ -r "$1" ] && put f "$1" "$2" <"$1"; }
put v sh 9 </dev/null
file /proc/stat 65536; file /proc/self/mountinfo 1048576
df -kP /dev/shm 2>/dev/null | { read -r _; read -r _ all used _; [ -n "$used" ] &&
  printf -- '- %s %s' $((all * 1024)) $(((all - used) * 1024)) | put s /dev/shm 99; }
for t in tcp tcp6; do
  [ -r /proc/net/$t ] && awk 'NR==1||$4=="0A"||$4=="01"' /proc/net/$t 2>/dev/null | put f /proc/net/$t 4000000
done
n=0
for d in /proc/[0-9]*; do
  n=$((n + 1)); [ $n -gt 2048 ] && break
  p=${d#/proc/}; [ "$p" = $$ ] && continue
  l=$(tr '\0' '\n' <"$d/cmdline" 2>/dev/null | head -n 4); [ -n "$l" ] || continue
  file "$d/stat" 65536
  w=; t=
  for x in $(printf '%s' "$l" | head -n 3 | sed 's:.*/::'); do case " @PROGRAMS@ " in *" $x "*) w=1;; esac; done
  case $l in @MODULES@) w=1;; @TITLES@) t=1;; esac
  if [ -n "$w" ]; then file "$d/cmdline" 65536; else
    printf '%s' "$l" | head -n 1 | sed 's/ .*//' | put f "$d/cmdline" 512; fi
  [ -n "$w$t" ] || [ "$p" = 1 ] || continue
  for f in status mountinfo limits; do file "$d/$f" 1048576; done
  c=$(readlink "$d/cwd" 2>/dev/null) && printf '%s' "$c" | put l "$d/cwd" 4096
  [ -r "$d/environ" ] && tr '\0' '\n' <"$d/environ" 2>/dev/null | grep -E '^(@ENVIRON@)=' |
    grep -Ev '^[^=]*(@SECRET@)' | tr '\n' '\0' | put f "$d/environ" 65536
  [ -n "$w" ] || continue
  tr '\0' '\n' <"$d/cmdline" | head -n 200 | sed 's/^--*[a-z-]*=//' | while IFS= read -r m; do
    case $m in /*) ;; -*|'') continue;; *) m=${c%/}/$m;; esac
    m=${m%/}
    for f in config.json hf_quant_config.json model.safetensors.index.json; do
      [ -f "$m/config.json" ] && file "$m/$f" 1048576; done
  done
done
for f in /tmp/ray/session_latest/logs/worker-*.out /tmp/ray/session_latest/logs/worker-*.err; do
  [ -f "$f" ] && put a "$f" 1048576 <"$f" && [ "$(wc -c <"$f")" -gt 1048576 ] && put c "$f" 0 </dev/null
done
put e / 0 </dev/null
