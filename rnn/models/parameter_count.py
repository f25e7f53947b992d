"""How many parameters an LSTM cell with its output layer has."""


def parameter_count(input_size: int, hidden_size: int, output_size: int, *, torch_biases: bool = False) -> int:
    """Parameters of an LSTM cell and its linear output layer, from the sizes alone (report Q1.2b).

        4 (N_in N_h + N_h^2 + N_h) + N_h N_out + N_out

    Four gates, each with a matrix on the input, one on h_{t-1} and a bias; then the output layer's matrix and bias.

    Args:
        input_size: N_in.
        hidden_size: N_h.
        output_size: N_out.
        torch_biases: count the two bias vectors per gate of torch.nn.LSTM and rnn.LSTM: 8 N_h in place of 4 N_h.

    Raises:
        ValueError: a size is not positive.
    """
    for name, size in (("input_size", input_size), ("hidden_size", hidden_size), ("output_size", output_size)):
        if size < 1:
            raise ValueError(f"{name} must be positive, but got {size!r}")
    biases = 2 if torch_biases else 1
    cell = 4 * (input_size * hidden_size + hidden_size**2 + biases * hidden_size)
    return cell + hidden_size * output_size + output_size
