"""What joins a graph layer and a recurrent one."""
