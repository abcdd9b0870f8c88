"""What `resnetlab VERB --help` ends with."""

EXAMPLES = """examples:
  resnetlab list                                    models, recipes, datasets
  resnetlab train resnet20 --data digits            a minute on a laptop
  resnetlab resume runs/RUN                         go on after an interruption
  resnetlab finetune --weights FILE --data photos/  your own classes, from trained weights
  resnetlab eval runs/RUN                           per class, confusion matrix
  resnetlab report runs -o curves.svg               errors over seeds, and curves
"""
LIST_EXAMPLES = """examples:
  resnetlab list models
  resnetlab list recipes --json
"""
RESUME_EXAMPLES = """examples:
  resnetlab resume runs/resnet20-cifar10-quick-20260101-120000
  resnetlab resume RUN --epochs 60           on from a run of 30, finished or not, in a new one (RUN-60ep)
  resnetlab resume RUN --data /elsewhere/cifar-10-batches-bin
"""
BENCH_EXAMPLES = """examples:
  resnetlab bench train resnet20 --batch 128
  resnetlab bench eval resnet50 --batch 32 --set compile=off --json
"""
DATA_EXAMPLES = """examples:
  resnetlab data fetch cifar10                      into the cache, resumable, checked
  resnetlab data describe photos/
  resnetlab data check photos/ --html check.html    broken, doubled, contradicting images
  resnetlab data show photos/ -o samples.png        training images, augmented
  resnetlab data unpack cifar10 cifar10-files/      any dataset as a folder of image files
  resnetlab data pack photos/ packed/ --size 256    a smaller copy, as WebDataset shards
  resnetlab data prepare imagenet TARS/ imagenet/   from ImageNet's original archives
"""
DOCTOR_EXAMPLES = """examples:
  resnetlab doctor
  resnetlab doctor --json
"""
TRAIN_EXAMPLES = """examples:
  resnetlab train resnet20 --data digits            a minute on a laptop
  resnetlab train resnet56 --data cifar10 --recipe he2015 --device cuda
  resnetlab train preresnet110 --data cifar-10-batches-bin --epochs 8 --batch 256 --lr 0.4
  resnetlab train resnet20 --set shortcut=B --set cutout=8 --dry-run
  resnetlab train resnet50 --data photos/ --workers 8
  resnetlab train plain20 resnet20 --seeds 3 --out runs/both   six runs, told as mean and spread
"""
FINETUNE_EXAMPLES = """examples:
  resnetlab finetune resnet50 --weights resnet50.pth --data photos/
  resnetlab finetune --weights hf:timm/resnet50.a1_in1k --data photos/ --val 10% --patience 5
  resnetlab finetune --weights runs/RUN --data photos/ --freeze body        the classifier alone
  resnetlab finetune --weights runs/RUN --data more/ --head keep-shared --set stage_rate=0.5
"""
EVAL_EXAMPLES = """examples:
  resnetlab eval runs/resnet20-digits-digits-20260101-120000
  resnetlab eval RUN/checkpoints/step-00001000 --data cifar-10-batches-py --json
"""
DRAW_EXAMPLES = """examples:
  resnetlab draw resnet20                           into resnet20.svg
  resnetlab draw resnet50 -o resnet50.pdf --theme print
  resnetlab draw plain34 resnet34 --style overview -o both.svg
  resnetlab draw resnet110 --unfold -o resnet110.pdf
"""
SHOW_EXAMPLES = """examples:
  resnetlab show resnet110          a network and its layers, equal units folded
  resnetlab show resnet50 --full --batch 32 --input-size 192x256
  resnetlab show resnet50_v1 resnet50                    what differs, in words
  resnetlab show he2015             a recipe, every value with its meaning
  resnetlab show he2015 --model resnet110 --set lr=0.2
  resnetlab show runs/RUN           a run
"""
