"""All steps of a recurrent layer in one walk, with its backward pass written out."""
