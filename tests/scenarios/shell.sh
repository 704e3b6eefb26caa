# What shell scripts do with descriptors; the findings in the shell itself are not the script author's to fix.
case $1 in
  redirections)
    exec 3>out
    echo one >&3
    exec 3>&-
    { echo two; echo three >&2; } 2>/dev/null | cat >/dev/null
    cat <<<here >/dev/null
    read -r line </etc/passwd
    diff <(echo a) <(echo a)
    ;;
  pipeline)
    seq 100 | sort -n | head -n 3 | tail -n 1
    ;;
  loop)
    for i in 1 2 3 4 5; do /bin/true; done
    ;;
  left-open)
    exec 7>out
    ;;
esac
