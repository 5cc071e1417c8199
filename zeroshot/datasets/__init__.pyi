from ._cifar100 import fetch_cifar100 as fetch_cifar100
from ._class_names import class_names as class_names
from ._class_names import label_texts as label_texts
from ._features import load_cifar100_features as load_cifar100_features
from ._folders import list_images as list_images
from ._folders import load_image_folder as load_image_folder
from ._tiny_imagenet import fetch_tiny_imagenet as fetch_tiny_imagenet
from ._xlsa17 import fetch_xlsa17 as fetch_xlsa17
