"""What the program asks of AWS, asked of moto: the objects are made, and who may do what with them is tried."""
