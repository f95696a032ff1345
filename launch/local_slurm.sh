#!/usr/bin/env bash
# A real SLURM on this one Debian machine, for development and tests: four nodes, each with a stand-in GPU, a partition
# `main` and one with precedence, `urgent`, whose jobs send those of `main` back to the queue. Root only.
#   launch/local_slurm.sh install          Debian's packages, if they are missing
#   launch/local_slurm.sh start [accounts] [setting…]
#                                          settings of slurm.conf, as in MaxArraySize=10; with accounts there are sacct and
#                                          limits of each user, and a database beside it
#   eval "$(launch/local_slurm.sh status)" tells this shell where it is; the status, to whoever reads
#   launch/local_slurm.sh stop             ends what start has started, by process id
# SPINODAL_SLURM is the folder of its configuration, state and logs, SPINODAL_SLURM_PORT the first of its seven ports.
# Without accounts, as on many a cluster, there is no sacct.
set -euo pipefail

folder=${SPINODAL_SLURM:-/var/tmp/spinodal-slurm}
port=${SPINODAL_SLURM_PORT:-26817}
nodes=(n1 n2 n3 n4)
host=$(hostname -s)
export SLURM_CONF=$folder/slurm.conf

die() {
    echo "local SLURM: $*" >&2
    exit 1
}

install_packages() {
    local packages=(slurm-wlm munge) commands=(slurmctld slurmd munged) command missing= lock
    if [[ -n $accounts ]]; then
        packages+=(slurmdbd mariadb-server)
        commands+=(slurmdbd mariadbd)
    fi
    # Another start of this script may be installing at this moment: what it has not finished is not there.
    exec {lock}> /var/lock/spinodal-slurm
    flock "$lock"
    for command in "${commands[@]}"; do
        command -v "$command" > /dev/null || missing=yes
    done
    if [[ -n $missing ]]; then
        command -v apt-get > /dev/null || die "needs Debian's packages ${packages[*]}"
        echo "local SLURM: installing ${packages[*]}" >&2
        apt-get update -qq
        # No service of Debian's is started or left running: this script starts its own.
        RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" > /dev/null
    fi
    exec {lock}>&-
}

configure() {
    local node number=1
    cat > "$folder/slurm.conf" <<END
ClusterName=spinodal
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=5
StateSaveLocation=$folder/state
SlurmctldPidFile=$folder/slurmctld.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdPidFile=$folder/%n/slurmd.pid
SlurmdLogFile=$folder/%n/slurmd.log
SlurmdSpoolDir=$folder/%n/spool
SlurmctldParameters=preempt_send_user_signal
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,sched_min_interval=100000,batch_sched_delay=0,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
KillWait=10
SlurmdTimeout=10
MinJobAge=300
GresTypes=gpu
END
    echo "AutoDetect=off" > "$folder/gres.conf"
    for node in "${nodes[@]}"; do
        mkdir -p "$folder/$node/spool"
        mknod "$folder/$node/gpu0" c 1 3
        echo "NodeName=$node Name=gpu File=$folder/$node/gpu0" >> "$folder/gres.conf"
        echo "NodeName=$node NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + number)) CPUs=2 RealMemory=4000 Gres=gpu:1" >> "$folder/slurm.conf"
        number=$((number + 1))
    done
    cat >> "$folder/slurm.conf" <<END
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=20
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
END
    [[ -z $accounts ]] || cat >> "$folder/slurm.conf" <<END
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$((port + 5))
AccountingStorageEnforce=limits
AccountingStoragePass=$folder/munge.socket
END
    printf '%s\n' "$@" >> "$folder/slurm.conf"
}

# The database that SLURM's accounts are in, and the daemon between the two.
keep_accounts() {
    local database=(--no-defaults --user=root "--datadir=$folder/database")
    mariadb-install-db "${database[@]}" --auth-root-authentication-method=normal --skip-test-db > "$folder/database.log"
    mariadbd "${database[@]}" --bind-address=127.0.0.1 --port=$((port + 6)) --socket="$folder/database.socket" \
        --pid-file="$folder/database.pid" --skip-name-resolve >> "$folder/database.log" 2>&1 < /dev/null &
    local sql=(mariadb --no-defaults "--socket=$folder/database.socket" --user=root)
    wait_for "the database" "${sql[@]}" -e "select 1"
    "${sql[@]}" -e "create user slurm@'127.0.0.1' identified by 'slurm'; grant all on *.* to slurm@'127.0.0.1'"
    cat > "$folder/slurmdbd.conf" <<END
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
DbdHost=$host
DbdAddr=127.0.0.1
DbdPort=$((port + 5))
SlurmUser=root
LogFile=$folder/slurmdbd.log
PidFile=$folder/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$((port + 6))
StorageUser=slurm
StoragePass=slurm
END
    chmod 600 "$folder/slurmdbd.conf"
    slurmdbd
    wait_for slurmdbd sacctmgr -n list cluster
    sacctmgr -i add cluster spinodal > /dev/null
}

# Runs a daemon that goes to the background itself, and waits until what it offers is there.
wait_for() {
    local what=$1
    shift
    for _ in {1..100}; do
        if "$@" > /dev/null 2>&1; then return 0; fi
        sleep 0.1
    done
    tail -n 5 "$folder"/*.log "$folder"/*/slurmd.log >&2 || true
    die "$what did not start; its logs are in $folder"
}

start() {
    [[ $(id -u) == 0 ]] || die "needs root"
    install_packages
    ! runs || die "runs already"
    rm -rf "$folder"
    mkdir -p "$folder/state"
    chmod 755 "$folder"
    configure "$@"
    dd if=/dev/urandom of="$folder/munge.key" bs=64 count=1 status=none
    chmod 400 "$folder/munge.key"
    # --force: whoever owns the folder's parents is no concern of a cluster for tests.
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
        --log-file="$folder/munged.log" --seed-file="$folder/munge.seed" 2> /dev/null
    wait_for munged test -S "$folder/munge.socket"
    [[ -z $accounts ]] || keep_accounts
    slurmctld -c
    wait_for slurmctld scontrol ping
    local node
    for node in "${nodes[@]}"; do
        start_node "$node"
    done
    wait_for "all of its nodes" idle
    status
}

# By itself, to bring back a node that a test has killed.
start_node() {
    slurmd -N "$1"
}

# scontrol would ask the network for a minute where there is no configuration.
runs() {
    [[ -e $SLURM_CONF ]] && scontrol ping > /dev/null 2>&1
}

idle() {
    [[ $(sinfo -h -N -p main -t idle -o %N | sort -u | wc -l) == "${#nodes[@]}" ]]
}

# Whether a process is there, and not only waits to be buried.
there() {
    [[ -n $(readlink "/proc/$1/exe" || true) ]]
}

# Those of jobs that are left: they carry the folder in their environment.
left_over() {
    local entry
    for entry in /proc/[0-9]*; do
        [[ $(readlink "$entry/exe" || true) == */slurmstepd* ]] || continue
        ! grep -qszF "SLURM_CONF=$SLURM_CONF" "$entry/environ" || echo "${entry#/proc/}"
    done
}

stop() {
    [[ -e $folder/slurm.conf ]] || return 0
    local file pid
    scancel --user=root > /dev/null 2>&1 || true
    for _ in {1..30}; do
        [[ -n $(squeue -h 2> /dev/null) ]] || break
        sleep 0.2
    done
    for file in "$folder"/*/slurmd.pid "$folder"/{slurmctld,slurmdbd,database,munged}.pid; do
        [[ -e $file ]] || continue
        pid=$(< "$file")
        there "$pid" || continue
        kill "$pid"
        for _ in {1..100}; do
            there "$pid" || break
            sleep 0.1
        done
    done
    for pid in $(left_over); do
        kill -9 "$pid" 2> /dev/null || true
    done
    rm -rf "$folder"
}

status() {
    runs || die "does not run"
    sinfo -N -p main -o "%N %t %G" >&2
    echo "export SLURM_CONF=$(printf %q "$SLURM_CONF")"
}

accounts=
if [[ ${2:-} == accounts ]]; then
    accounts=yes
    set -- "$1" "${@:3}"
fi
case ${1:-} in
    install) install_packages ;;
    start) start "${@:2}" ;;
    node) start_node "$2" ;;
    stop) stop ;;
    status) status ;;
    *) die "usage: launch/local_slurm.sh install|start|stop|status [accounts]" ;;
esac
