"""Wrong arguments end in a ValueError with the names, the shapes and what was expected."""

import numpy as np
import pytest

import clconv

X, W = np.ones((1, 4, 6, 7), "f4"), np.ones((8, 4, 3, 3), "f4")

WRONG = [
    (lambda: clconv.conv2d(X[0], W), "x has shape (4, 6, 7), expected 4 dimensions (n, c, h, w)"),
    (lambda: clconv.conv2d(X, W[0]), "w has shape (4, 3, 3), expected 4 dimensions (k, c/groups, kh, kw)"),
    (
        lambda: clconv.conv2d(X, W[:, :3].copy()),
        "w has shape (8, 3, 3, 3) with 3 channels a filter, expected 4: x has shape ",
    ),
    (
        lambda: clconv.conv2d(X, W, groups=3),
        "groups is 3, expected a divisor of 4 channels and of 8 filters: x has shape ",
    ),
    (
        lambda: clconv.conv2d(X, W, groups=2),
        "w has shape (8, 4, 3, 3) with 4 channels a filter, expected 2: x has shape ",
    ),
    (lambda: clconv.conv2d(X.astype("f8"), W), "x has type float64, expected float32, float16 or bfloat16"),
    (lambda: clconv.conv2d([[1, 2]], W), "x has shape (1, 2), expected 4 dimensions"),
    (lambda: clconv.conv2d(X, W.astype("f2")), "w has type float16, the other operands have float32"),
    (lambda: clconv.conv2d(X.transpose(0, 1, 3, 2), W), "expected C order: np.ascontiguousarray(x)"),
    (
        lambda: clconv.conv2d(X, W, np.ones(7, "f4")),
        "bias has shape (7,), expected (8,), one value a channel of the result",
    ),
    (
        lambda: clconv.conv2d(X, W, residual=np.ones((1, 8, 4, 4), "f4")),
        "residual has shape (1, 8, 4, 4), expected (1, 8, 4, 5)",
    ),
    (lambda: clconv.conv2d(X, W, stride=0), "stride is 0, expected 1 or more"),
    (lambda: clconv.conv2d(X, W, stride=1.5), "stride is 1.5, expected a whole number"),
    (lambda: clconv.conv2d(X, W, stride=(1, 2, 3)), "stride is (1, 2, 3), expected a number or (height, width)"),
    (lambda: clconv.conv2d(X, W, padding="full"), "padding is 'full', expected a number"),
    (lambda: clconv.conv2d(X, W, padding=(1, 2, 3)), "padding is (1, 2, 3), expected a number"),
    (lambda: clconv.conv2d(X, W, padding=-1), "pt=-1: must be at least 0"),
    (lambda: clconv.conv2d(X, W, dilation=9), "kh"),
    (lambda: clconv.conv2d(X, W, activation="softmax"), "activation is 'softmax', expected one of none, relu"),
    (lambda: clconv.conv2d(X, W, activation="prelu"), "slopes are missing, activation is 'prelu'"),
    (lambda: clconv.conv2d(X, W, slopes=np.ones(8, "f4")), "slopes are given, activation is 'none'"),
    (lambda: clconv.conv2d(X, W, layout="hwc"), "layout is 'hwc', expected 'nchw' or 'nhwc'"),
    (lambda: clconv.conv2d(X, W, rigor="much"), "rigor is 'much', expected one of default, wisdom-only"),
    (lambda: clconv.conv2d(X, W, out=np.ones((1, 8, 4, 4), "f4")), "out has shape (1, 8, 4, 4), expected (1, 8, 4, 5)"),
    (lambda: clconv.conv2d(X, W, out=np.ones((1, 8, 4, 5), "f2")), "out has type float16"),
    (lambda: clconv.conv2d(X, W, queue=object()), "operands are of the types x ndarray, w ndarray"),
    (
        lambda: clconv.conv2d_backward_data(X, W, (1, 4, 9, 9)),
        "dy has shape (1, 4, 6, 7), expected (1, 8, 7, 7), the output of ",
    ),
    (
        lambda: clconv.conv2d_backward_weights(X, np.ones((1, 8, 4, 4), "f4"), 3),
        "dy has shape (1, 8, 4, 4), expected (1, 8, 4, 5)",
    ),
    (lambda: clconv.conv2d_backward_bias(X, accumulate=True), "out is None: accumulate adds to what it holds"),
    (lambda: clconv.conv2d_backward_bias(X, activation="relu"), "y is None, activation is 'relu'"),
    (lambda: clconv.conv2d_backward_bias(X, y=X, activation="gelu"), "gelu"),
    (lambda: clconv.conv_transpose2d(X, W), "w has shape (8, 4, 3, 3), expected (4, k/groups, kh, kw): x has shape "),
    (lambda: clconv.conv_transpose2d(X, W[:4], output_padding=2), "output"),
    (lambda: clconv.im2col(X, 3, layout="patches"), "layout is 'patches', expected 'columns' or 'rows'"),
    (lambda: clconv.im2col(X.astype("f2"), 3), "x has type float16, im2col takes float32"),
    (
        lambda: clconv.col2im(X, (1, 4, 6, 7), 3),
        "cols has shape (1, 4, 6, 7), expected (1, 36, 20), the patches of (1, 4, 6, 7)",
    ),
    (lambda: clconv.max_pool2d(X, 3, padding=3), "p"),
    (lambda: clconv.max_pool2d(X.astype("f2"), 3), "x has type float16, pooling takes float32"),
    (lambda: clconv.Problem("n1c2"), "n1c2"),
    (lambda: clconv.Problem(direction="sideways"), "direction is 'sideways', expected one of forward"),
    (lambda: clconv.Context(3), "device is of type int, expected a name"),
    (lambda: clconv.default_context().plan("n1c4h6w7k8kh3kw3").run(x=X), "w is missing: forward needs x, w, y"),
    (lambda: clconv.default_context().plan("n1c4h6w7k8kh3kw3").run(x=X, w=W, b=X), "forward has no operand 'b'"),
    (
        lambda: clconv.default_context().plan("n1c4h6w7k8kh3kw3").run(x=W, w=W),
        "x has shape (8, 4, 3, 3), expected (1, 4, 6, 7)",
    ),
    (lambda: clconv.default_context().plan("n1c4h6w7k8kh3kw3").execute(None), "queue is None"),
    (
        lambda: clconv.default_context().plan("n1c4h6w7k8kh3kw3").execute(1, x=X),
        "x is of type ndarray, expected a buffer",
    ),
]


@pytest.mark.parametrize("case", range(len(WRONG)))
def test_the_text_names_it(case):
    call, text = WRONG[case]
    with pytest.raises(ValueError) as caught:
        call()
    assert isinstance(caught.value, clconv.Error)
    assert caught.value.status in (1, 2)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_words_that_are_no_arguments():
    with pytest.raises(TypeError, match="strides"):
        clconv.conv2d(X, W, strides=2)
    with pytest.raises(TypeError, match="Problem has no field 'hight'"):
        clconv.Problem(hight=3)
    with pytest.raises(TypeError, match="has no option 'rigour'"):
        clconv.default_context().plan("n1c4h6w7k8kh3kw3", rigour="measure")


def test_math_is_a_word():
    context = clconv.default_context()
    for word, reported in (("float32", "f32"), ("tf32", "tf32"), ("float16", "f16")):
        assert context.explain("n1c4h6w7k8kh3kw3", math=word)["math"] == reported
    with pytest.raises(ValueError, match="math is 'float64', expected one of float32, tf32, float16"):
        context.explain("n1c4h6w7k8kh3kw3", math="float64")


def test_out_must_be_writable_and_apart():
    out = np.ones((1, 8, 4, 5), "f4")
    out.flags.writeable = False
    with pytest.raises(ValueError, match="y is of type ndarray, expected a writable array"):
        clconv.conv2d(X, W, out=out)
    both = np.ones((1, 4, 6, 7), "f4")
    with pytest.raises(ValueError, match="y and x overlap in memory"):
        clconv.conv2d(both, np.ones((4, 4, 1, 1), "f4"), out=both)


def test_other_failures_have_classes_of_their_own():
    context = clconv.default_context()
    with pytest.raises(clconv.ConstraintError, match="winograd") as caught:
        context.plan("n1c4h6w7k8kh5kw5", strategy="winograd")
    assert (caught.value.status, caught.value.status_name) == (3, "CLCONV_CONSTRAINT")
    with pytest.raises(clconv.NoDevice, match="no such device"):
        clconv.Context("no such device")
    with pytest.raises(clconv.FileError, match="none.onnx"):
        clconv.Network("none.onnx")
    assert issubclass(clconv.OutOfMemory, MemoryError) and issubclass(clconv.Unsupported, NotImplementedError)
