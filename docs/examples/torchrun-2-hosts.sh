#!/usr/bin/env bash
# One run on 2 hosts of 4 GPUs. On the first host, whose address is ADDRESS, and on the second:
#
#     bash torchrun-2-hosts.sh 0 ADDRESS
#     bash torchrun-2-hosts.sh 1 ADDRESS
#
# Typed again after whatever ended it, it goes on. Every host needs the data; only the first needs the run.

set -eu

host=${1:?the number of this host, 0 or 1}
address=${2:?the address of host 0}
data=${DATA:-imagenet/}
out=${OUT:-runs/resnet50}

exec torchrun --nnodes 2 --nproc-per-node "${GPUS:-4}" --node-rank "$host" \
    --master-addr "$address" --master-port "${PORT:-29500}" --max-restarts 0 \
    -m resnetlab train resnet50 --data "$data" --recipe rsb-a3 --set shards=8 --out "$out" --resume-if-begun
