"""All steps of a recurrent layer in one scan, with its backward pass written out."""
