// What is done before the program's libraries are set up. Nothing needs to be called.
#pragma once
